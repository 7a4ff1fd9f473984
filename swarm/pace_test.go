package swarm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pifs/blockstore"
	"pifs/blockstore/blocktest"
)

// distant is a store that takes its time.
type distant struct {
	*blocktest.Memory
	takes atomic.Int64              // nanoseconds of a read
	away  atomic.Pointer[time.Time] // until when it is; nil: it is not
}

func (d *distant) Get(ctx context.Context, id blockstore.ShardID, dst []byte) ([]byte, error) {
	if until := d.away.Load(); until != nil && time.Now().Before(*until) {
		return nil, ErrUnreachable
	}
	time.Sleep(time.Duration(d.takes.Load())) // virtual
	return d.Memory.Get(ctx, id, dst)
}

// newDistant returns a swarm of n distant stores with a block in it.
func newDistant(t *testing.T, n int) (*Swarm, blockstore.Descriptor, []byte) {
	t.Helper()
	var members []Member
	for i := range n {
		d := &distant{Memory: blocktest.NewMemory()}
		d.takes.Store(int64(2 * time.Millisecond))
		members = append(members, Member{ID: MemberID(fmt.Sprint(i)), Name: fmt.Sprint(i), Store: d})
	}
	s, err := New(members, blockstore.Phi, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, block := blocktest.Shard(1, 300_000)
	d, placed, err := s.Put(t.Context(), blockstore.AddressOf(block), block)
	if err != nil || placed != n {
		t.Fatal(placed, err)
	}
	return s, d, block
}

// TestReadsHedge: when a member that used to answer in 2 ms takes a minute, a
// read waits for it for some of what it used to take, and not for the two
// seconds that a disk gets. Once it answers again it is asked again.
func TestReadsHedge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d, block := newDistant(t, 5)
		read := func() time.Duration {
			begun := time.Now()
			got, _, err := s.Get(t.Context(), d, nil)
			if err != nil || !bytes.Equal(got, block) {
				t.Fatal(err)
			}
			return time.Since(begun)
		}
		for range paceKnown {
			if took := read(); took != 2*time.Millisecond {
				t.Fatalf("a read took %v", took)
			}
		}
		slow := s.view.Load().rank(d)[1].Store.(*distant)
		slow.takes.Store(int64(time.Minute))
		if took := read(); took > 100*time.Millisecond {
			t.Errorf("a read took %v beside a slow member", took)
		}
		time.Sleep(time.Second)
		if took := read(); took > 10*time.Millisecond {
			t.Errorf("the next took %v", took)
		}
		slow.takes.Store(int64(2 * time.Millisecond))
		time.Sleep(2 * time.Minute)
		for i := range 3 {
			_, degraded, err := s.Get(t.Context(), d, nil)
			if err != nil || degraded {
				t.Errorf("read %d after it answers again: degraded %v, %v", i, degraded, err)
			}
		}
	})
}

// TestReadsWaitForAll: when all members become slow at once, and when all are
// away for a moment, a read waits for them.
func TestReadsWaitForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d, block := newDistant(t, 5)
		read := func(what string) {
			got, _, err := s.Get(t.Context(), d, nil)
			if err != nil || !bytes.Equal(got, block) {
				t.Errorf("%s: %v", what, err)
			}
		}
		for range paceKnown {
			read("at first")
		}
		for _, m := range s.view.Load().members {
			m.Store.(*distant).takes.Store(int64(300 * time.Millisecond))
		}
		for range 5 {
			read("when all are slow")
		}
		back := time.Now().Add(3 * time.Second)
		for _, m := range s.view.Load().members {
			m.Store.(*distant).away.Store(&back)
		}
		read("when all are away for three seconds")
		if time.Now().Before(back) {
			t.Error("they were not away")
		}
		for _, m := range s.view.Load().members {
			m.Store.(*distant).takes.Store(0)
		}
		late := time.Now().Add(time.Hour)
		for _, m := range s.view.Load().members[:3] {
			m.Store.(*distant).away.Store(&late)
		}
		begun := time.Now()
		if _, _, err := s.Get(t.Context(), d, nil); !errors.Is(err, blockstore.ErrLost) {
			t.Errorf("with three of five away: %v", err)
		}
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("to find out took %v", took)
		}
	})
}

// TestPaceFollows: who becomes slower for good is waited for again.
func TestPaceFollows(t *testing.T) {
	var p pace
	const most = 2 * time.Second
	if p.hedge(most) != most {
		t.Error("an unknown member is not waited for")
	}
	for range paceKept {
		p.note(3 * time.Millisecond)
	}
	fast := p.hedge(most)
	if fast != paceLeast {
		t.Errorf("a fast member is waited for for %v", fast)
	}
	for range paceKept / 10 {
		p.note(400 * time.Millisecond)
	}
	if slow := p.hedge(most); slow < 800*time.Millisecond || slow > most {
		t.Errorf("a member that is slow now and then is waited for for %v", slow)
	}
}

// TestReadsHeal: a read that finds a shard wrong, or gone from its home, has it
// repaired in the background; one that finds a member away does not.
func TestReadsHeal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d, block := newDistant(t, 5)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { s.Heal(ctx); close(done) }()
		home := func(i int) *distant { return s.view.Load().rank(d)[i].Store.(*distant) }
		read := func() {
			got, _, err := s.Get(ctx, d, nil)
			if err != nil || !bytes.Equal(got, block) {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		home(0).Damage(d.Shards[0])
		read()
		if _, err := home(0).Memory.Get(ctx, d.Shards[0], nil); err != nil {
			t.Errorf("a damaged shard was not healed: %v", err)
		}
		if err := home(1).Delete(ctx, d.Shards[1]); err != nil {
			t.Fatal(err)
		}
		read() // too soon after the last
		if _, err := home(1).Memory.Get(ctx, d.Shards[1], nil); !errors.Is(err, blockstore.ErrNotFound) {
			t.Errorf("a stripe is healed with every read: %v", err)
		}
		time.Sleep(2 * healAgain)
		read()
		if _, err := home(1).Memory.Get(ctx, d.Shards[1], nil); err != nil {
			t.Errorf("a lost shard was not healed: %v", err)
		}
		stop()
		<-done
	})
}
