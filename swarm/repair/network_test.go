package repair_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"pifs/blockstore"
	"pifs/blockstore/blocktest"
	"pifs/swarm"
	"pifs/swarm/decide"
	"pifs/swarm/member"
	"pifs/swarm/node"
	"pifs/swarm/peer"
	"pifs/swarm/repair"
)

// patient is how long something may take before a test fails.
const patient = 90 * time.Second

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// maxAge in seconds is how long a node may be silent: longer than a pass takes
// on a loaded machine.
const maxAge = 10

// station is a node on loopback that repairs.
type station struct {
	host     *peer.Host
	node     *node.Node
	repairer *repair.Repairer
	dead     bool
}

// roster is a record that never changes.
type roster struct{ record member.Record }

func (r *roster) Current() *member.Record                     { return &r.record }
func (r *roster) Changed() <-chan struct{}                    { return nil }
func (r *roster) Submit(context.Context, member.Change) error { return member.ErrRefused }

func equally(uint64) uint32 { return 1 }

func newHost(t *testing.T) (*peer.Host, swarm.Identity) {
	id, err := swarm.CreateIdentity(t.TempDir())
	must(t, err)
	h, err := peer.New(peer.Options{Identity: id, Listen: []string{"/ip4/127.0.0.1/tcp/0"}})
	must(t, err)
	return h, id
}

// newStations starts nodes that know each other, and a user.
func newStations(t *testing.T, count int) (stations []*station, user *peer.Host, all *roster) {
	user, _ = newHost(t)
	t.Cleanup(func() { must(t, user.Close()) })
	all = &roster{}
	addrs := map[swarm.MemberID][]string{user.ID(): user.Addrs()}
	for i := range count {
		h, id := newHost(t)
		n, err := node.Open(node.Options{
			Dir: t.TempDir(), Stores: []string{t.TempDir()}, Identity: id, Capacity: 1 << 30,
		})
		must(t, err)
		s := &station{host: h, node: n}
		t.Cleanup(func() { s.kill(t); must(t, n.Close()) })
		h.HandleShards(n, n)
		addrs[id.ID] = h.Addrs()
		all.record.Entries = append(all.record.Entries, member.Entry{
			ID: id.ID, Operator: fmt.Sprint("operator ", i), Jurisdiction: []string{"DE", "FR", "IS"}[i%3], Capacity: 1 << 30,
		})
		stations = append(stations, s)
	}
	slices.SortFunc(all.record.Entries, func(a, b member.Entry) int { return cmpIDs(a.ID, b.ID) })
	user.Members(addrs)
	for _, s := range stations {
		s.host.Members(addrs)
		r, err := repair.New(repair.Options{
			Self: s.host.ID(), View: repair.NewNetwork(all, s.host, s.node, equally, nil, time.Now), Stripes: s.node,
			Rounds: decide.Rounds{Length: 1000}, Policy: decide.Policy{MaxAge: maxAge},
		})
		must(t, err)
		s.repairer = r
	}
	return stations, user, all
}

func cmpIDs(a, b swarm.MemberID) int {
	if a < b {
		return -1
	}
	return 1
}

func (s *station) kill(t *testing.T) {
	if !s.dead {
		s.dead = true
		must(t, s.host.Close())
	}
}

// write has the user store blocks on the nodes.
func write(t *testing.T, user *peer.Host, all *roster, class blockstore.Class, blocks int) (stripes []blockstore.Descriptor) {
	coder := blockstore.NewCoder()
	var candidates []swarm.Candidate
	for i, e := range all.record.Entries {
		c := swarm.NewCandidate(e.ID, 1)
		c.Operator, c.Jurisdiction = uint32(i+1), uint32(e.Jurisdiction[0])
		candidates = append(candidates, c)
	}
	caps, _ := swarm.CapsFor(class, len(candidates), 3)
	stores := make(map[int]*peer.Store)
	for i := range blocks {
		_, block := blocktest.Shard(uint64(i), 100_000+i)
		d, shards, err := coder.Encode(class, blockstore.AddressOf(block), block)
		must(t, err)
		order := caps.Spread(swarm.Place(d.Address, candidates, len(candidates)), candidates, int(class.N))
		for j, at := range order[:class.N] {
			if stores[at] == nil {
				stores[at] = user.Store(all.record.Entries[at].ID, nil)
			}
			piece, err := blockstore.NewPiece(&d, j, shards.Pieces[j])
			must(t, err)
			must(t, stores[at].PutPiece(t.Context(), piece))
		}
		stripes = append(stripes, d)
		shards.Release()
	}
	for _, s := range stores {
		must(t, s.Sync(t.Context()))
	}
	return stripes
}

// gather reads what the nodes that are left have of a stripe, one shard each.
func gather(t *testing.T, stations []*station, d blockstore.Descriptor) (shards [][]byte, count int) {
	shards = make([][]byte, d.Class.N)
	for _, s := range stations {
		if s.dead {
			continue
		}
		held, err := s.node.Which(t.Context(), s.host.ID(), d.Shards)
		must(t, err)
		for i, h := range held {
			if h && shards[i] == nil {
				shards[i], err = s.node.Get(t.Context(), s.host.ID(), d.Shards[i], nil)
				must(t, err)
				count++
				break
			}
		}
	}
	return shards, count
}

// Two of seven nodes die. The others notice, and rebuild what they held, by
// themselves and over their sockets; then two more may die.
func TestNodesOnSocketsHeal(t *testing.T) {
	class := blockstore.Class{K: 3, N: 5}
	stations, user, all := newStations(t, 7)
	stripes := write(t, user, all, class, 25)
	pass := func() {
		ctx, stop := context.WithTimeout(t.Context(), patient)
		defer stop()
		for _, s := range stations {
			if !s.dead {
				must(t, s.repairer.Pass(ctx))
			}
		}
	}
	pass()
	for _, s := range stations {
		if c := s.repairer.Status(); c.Shards != 0 || c.Failed != 0 {
			t.Fatalf("nothing is wrong, and done was %+v", c)
		}
	}
	stations[1].kill(t)
	stations[4].kill(t)
	whole := func() bool {
		return !slices.ContainsFunc(stripes, func(d blockstore.Descriptor) bool {
			_, n := gather(t, stations, d)
			return n < int(class.N)
		})
	}
	for end := time.Now().Add(patient); !whole(); pass() {
		if time.Now().After(end) {
			t.Fatal("not whole again in time")
		}
	}
	stations[0].kill(t)
	stations[5].kill(t)
	coder := blockstore.NewCoder()
	for i, d := range stripes {
		shards, n := gather(t, stations, d)
		block, err := coder.Decode(nil, d, shards)
		if err != nil || len(block) != 100_000+i {
			t.Errorf("stripe %d, of which %d shards are left: %v", i, n, err)
		}
	}
}
