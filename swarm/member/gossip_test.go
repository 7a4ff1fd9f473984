package member

import (
	"math"
	"math/rand/v2"
	"testing"

	"pifs/swarm"
)

func TestCompare(t *testing.T) {
	mine := Digest{Epoch: 5, Hash: Hash{1}}
	for theirs, want := range map[Digest]Step{
		mine: StepNone, {Epoch: 4}: StepSend, {Epoch: 6}: StepFetch, {Epoch: 5, Hash: Hash{2}}: StepWitness,
	} {
		if got := Compare(mine, theirs); got != want {
			t.Errorf("%+v: %d, want %d", theirs, got, want)
		}
	}
}

// gossipers returns n members by their decisions, and the record that all of
// them are in. Signatures play no part here.
func gossipers(n int, seed uint64) (*Record, map[swarm.MemberID]*Gossip) {
	rec, all := &Record{Header: Header{Epoch: 1}}, map[swarm.MemberID]*Gossip{}
	for i := range n {
		id := swarm.MemberID([]byte{byte('A' + i/676), byte('A' + i/26%26), byte('A' + i%26)})
		rec.Entries = append(rec.Entries, Entry{ID: id, Addrs: []string{"/ip4/10.0.0.1/tcp/1"}})
		all[id] = NewGossip(id, rand.New(rand.NewPCG(seed, uint64(i))))
	}
	return rec, all
}

// TestGossipReachesAll spreads a record among a thousand members of which one
// message in five is lost, in rounds: nearly all have it after a few, and the
// probes bring it to every one. No member sends more than the fanout.
func TestGossipReachesAll(t *testing.T) {
	const n = 1000
	for seed := range uint64(3) {
		rec, all := gossipers(n, seed)
		net := rand.New(rand.NewPCG(seed, 1<<40))
		has := map[swarm.MemberID]bool{rec.Entries[0].ID: true}
		fresh := []swarm.MemberID{rec.Entries[0].ID}
		rounds := 0
		for ; len(fresh) > 0; rounds++ {
			var next []swarm.MemberID
			for _, from := range fresh {
				to := all[from].Spread(rec)
				if len(to) > Fanout {
					t.Fatalf("%d at once", len(to))
				}
				for _, id := range to {
					if net.IntN(5) == 0 {
						continue
					}
					all[from].Heard(id, 1)
					all[id].Heard(from, 1)
					if !has[id] {
						has[id] = true
						next = append(next, id)
					}
				}
			}
			fresh = next
		}
		if len(has) < n*95/100 || float64(rounds) > 4*math.Log(n) {
			t.Errorf("seed %d: %d of %d have it after %d rounds", seed, len(has), n, rounds)
		}
		for rounds = 0; len(has) < n && rounds < 50; rounds++ {
			for i := range rec.Entries {
				id := rec.Entries[i].ID
				if other := all[id].Probe(rec); has[id] || has[other] {
					has[id], has[other] = true, true
				}
			}
		}
		if len(has) < n {
			t.Errorf("seed %d: %d of %d have it after %d rounds of probes", seed, len(has), n, rounds)
		}
	}
}

func TestGossipAsksOnlyWhoCanBeReached(t *testing.T) {
	rec, all := gossipers(4, 1)
	a := rec.Entries[0].ID
	rec.Entries[1].Addrs = nil
	all[a].Heard(rec.Entries[2].ID, 1)
	if to := all[a].Spread(rec); len(to) != 1 || to[0] != rec.Entries[3].ID {
		t.Errorf("told %v", to)
	}
	rec.Header.Epoch = 2
	if to := all[a].Spread(rec); len(to) != 2 {
		t.Errorf("of the next one, told %v", to)
	}
	rec.Entries = rec.Entries[:1]
	if to := all[a].Spread(rec); len(to) != 0 || all[a].Probe(rec) != "" || len(all[a].has) != 0 {
		t.Errorf("alone, told %v", to)
	}
}
