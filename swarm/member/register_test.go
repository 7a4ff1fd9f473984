package member

import (
	"errors"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"pifs/blockstore"
	"pifs/swarm"
)

// office is a founder with its present state.
type office struct {
	t   *testing.T
	f   *Founder
	reg *Register
	rec *Record
}

func newOffice(t *testing.T) *office {
	f := testFounder(t)
	return &office{t, f, NewRegister(), testRecord(t, f, 1)}
}

func (o *office) submit(c Change, now int64) error {
	reg, rec, err := o.f.Extend(o.reg, o.rec, c, now)
	if err == nil {
		o.reg, o.rec = reg, rec
	}
	return err
}

func (o *office) want(what string, err, kind error) {
	o.t.Helper()
	if !errors.Is(err, kind) || kind == nil && err != nil {
		o.t.Errorf("%s: %v, want %v", what, err, kind)
	}
}

func TestTicketsAreCounted(t *testing.T) {
	o := newOffice(t)
	i := testInvitation(t, o.f, 2, testNow+100)
	o.want("first use", o.submit(testJoin(t, o.f, i, 1, 1), testNow), nil)
	epoch := o.rec.Header.Epoch
	o.want("the same again", o.submit(testJoin(t, o.f, i, 1, 1), testNow), nil)
	if o.rec.Header.Epoch != epoch {
		t.Error("a request that was repeated made another record")
	}
	o.want("second use", o.submit(testJoin(t, o.f, i, 2, 1), testNow), nil)
	o.want("third use", o.submit(testJoin(t, o.f, i, 3, 1), testNow), ErrTicket)
	o.want("expired", o.submit(testJoin(t, o.f, testInvitation(t, o.f, 2, testNow), 3, 1), testNow), ErrTicket)
	o.want("of another founder", o.submit(testJoin(t, o.f, testInvitation(t, &Founder{o.f.Genesis, testKey(9)}, 2, testNow+1), 3, 1), testNow), ErrTicket)
	stolen := testJoin(t, o.f, i, 4, 1)
	stolen.Join.Entry = testEntry(t, o.f, 5, 1)
	o.want("a proof for somebody else", o.submit(stolen, testNow), ErrTicket)
	if len(o.rec.Entries) != 3 {
		t.Errorf("%d members", len(o.rec.Entries))
	}
}

func TestWhoLeftMayComeBackAndOldWordsDoNotCount(t *testing.T) {
	o := newOffice(t)
	in, i := testSwarmID(t, o.f), testInvitation(t, o.f, 1, testNow+100)
	join := testJoin(t, o.f, i, 1, 5)
	o.want("join", o.submit(join, testNow), nil)
	leave, err := NewLeave(testIdentity(t, 1), in, 7)
	must(t, err)
	o.want("leave", o.submit(leave, testNow), nil)
	if _, ok := o.rec.Find(testIdentity(t, 1).ID); ok {
		t.Error("it is still a member")
	}
	o.want("the request of before", o.submit(join, testNow), ErrRefused)
	o.want("back by the same ticket", o.submit(testJoin(t, o.f, i, 1, 8), testNow), nil)
	o.want("the leave of before", o.submit(leave, testNow), ErrRefused)
	forged, err := NewLeave(swarm.Identity{Key: testKey(2), ID: testIdentity(t, 1).ID}, in, 99)
	must(t, err)
	o.want("a leave by another", o.submit(forged, testNow), blockstore.ErrCorrupt)
}

func TestRemovedIsForGood(t *testing.T) {
	o := newOffice(t)
	in, i := testSwarmID(t, o.f), testInvitation(t, o.f, 10, testNow+100)
	o.want("join", o.submit(testJoin(t, o.f, i, 1, 5), testNow), nil)
	remove, err := NewRemove(o.f.Key, in, testIdentity(t, 1).ID)
	must(t, err)
	forged, err := NewRemove(testKey(0), in, testIdentity(t, 1).ID)
	must(t, err)
	o.want("removed by a member", o.submit(forged, testNow), blockstore.ErrCorrupt)
	o.want("removed", o.submit(remove, testNow), nil)
	o.want("removed again", o.submit(remove, testNow), nil)
	o.want("join again", o.submit(testJoin(t, o.f, i, 1, 6), testNow), ErrRefused)
	update := testEntry(t, o.f, 1, 9)
	o.want("update", o.submit(Change{Update: &update}, testNow), ErrRefused)
	self, err := NewRemove(o.f.Key, in, testIdentity(t, 0).ID)
	must(t, err)
	o.want("the founder's node", o.submit(self, testNow), ErrRefused)
}

func TestUpdatesKeepTheirPlace(t *testing.T) {
	o := newOffice(t)
	i := testInvitation(t, o.f, 10, testNow+100)
	o.want("join", o.submit(testJoin(t, o.f, i, 1, 5), testNow), nil)
	was, _ := o.rec.Find(testIdentity(t, 1).ID)
	joined, epoch := was.Joined, o.rec.Header.Epoch
	older, newer := testEntry(t, o.f, 1, 4), testEntry(t, o.f, 1, 6)
	o.want("an older entry", o.submit(Change{Update: &older}, testNow), nil)
	if o.rec.Header.Epoch != epoch {
		t.Error("an older entry made a record")
	}
	o.want("a newer entry", o.submit(Change{Update: &newer}, testNow), nil)
	if e, _ := o.rec.Find(testIdentity(t, 1).ID); e.Seq != 6 || e.Joined != joined || o.rec.Header.Epoch != epoch+1 {
		t.Errorf("%+v in epoch %d", e, o.rec.Header.Epoch)
	}
	must(t, o.rec.Verify(o.f.Genesis, nil))
}

// TestFounderAgainstModel draws changes, many of them repeated or out of order:
// each record verifies and follows the one before, and who is in it is what a
// map says that knows nothing of signatures. What is given to Extend is not
// altered by it.
func TestFounderAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		o := newOffice(t)
		in, i := testSwarmID(t, o.f), testInvitation(t, o.f, 3, testNow+100)
		seqs, least, used := map[int]uint64{0: 1}, map[int]uint64{}, map[int]bool{}
		removed := map[int]bool{}
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			n, seq := rapid.IntRange(0, 5).Draw(rt, "member"), rapid.Uint64Range(1, 6).Draw(rt, "seq")
			have, member := seqs[n]
			var c Change
			var err error
			allowed := true
			switch rapid.IntRange(0, 3).Draw(rt, "kind") {
			case 0:
				c = testJoin(t, o.f, i, n, seq)
				if member && have >= seq {
					break
				}
				if allowed = !removed[n] && seq > least[n] && (used[n] || len(used) < 3); allowed {
					used[n], seqs[n] = true, seq
				}
			case 1:
				e := testEntry(t, o.f, n, seq)
				c = Change{Update: &e}
				if allowed = member; allowed {
					seqs[n] = max(have, seq)
				}
			case 2:
				c, err = NewLeave(testIdentity(t, n), in, seq)
				if allowed = member && seq >= have && n != 0; allowed {
					delete(seqs, n)
					least[n] = seq
				}
			case 3:
				c, err = NewRemove(o.f.Key, in, testIdentity(t, n).ID)
				if allowed = removed[n] || member && n != 0; allowed {
					delete(seqs, n)
					removed[n] = true
				}
			}
			must(t, err)
			before, entries := *o.reg.without(testNow), o.rec.Entries
			last := o.rec
			if err := o.submit(c, testNow); (err == nil) != allowed {
				rt.Fatalf("%+v: %v, want it allowed: %v", c, err, allowed)
			}
			if o.rec == last && !reflect.DeepEqual(before, *o.reg.without(testNow)) && !allowed {
				rt.Fatal("what was refused altered the register")
			}
			must(t, last.Verify(o.f.Genesis, nil))
			must(t, o.rec.Verify(o.f.Genesis, last))
			if &last.Entries[0] != &entries[0] {
				rt.Fatal("the record before was altered")
			}
			if bad, err := contradiction(last.Header, o.rec.Header); bad || err != nil {
				rt.Fatalf("record %d does not follow %d", o.rec.Header.Epoch, last.Header.Epoch)
			}
			if len(o.rec.Entries) != len(seqs) {
				rt.Fatalf("%d members, want %v", len(o.rec.Entries), seqs)
			}
			for n, seq := range seqs {
				if e, ok := o.rec.Find(testIdentity(t, n).ID); !ok || e.Seq != seq {
					rt.Fatalf("member %d: %v %+v, want seq %d", n, ok, e, seq)
				}
			}
		}
	})
}
