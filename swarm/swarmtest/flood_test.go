package swarmtest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"pifs/blockstore"
	"pifs/swarm"
	"pifs/swarm/wire"
)

const (
	mayOpen = 64 // streams of one member are served at a time, at most
	mayJoin = 16 // strangers are connected at a time, at most
)

// stalls are ways to begin something and stand still.
func stalls(t *testing.T, v *victim) map[string]func(network.Stream) {
	big := shard(7, blockstore.MaxShard)
	must(t, v.shelf.Put(t.Context(), v.foe.ID, &wire.Put{Stripe: Lone(big)}, big))
	half := append(putOf(t, big), frame(big[:wire.MaxPayload])...)
	var gets []byte
	for range 100 {
		gets = append(gets, request(t, wire.OpGet, &wire.Get{ID: blockstore.ShardIDOf(big)})...)
	}
	begin := func(b []byte) func(network.Stream) {
		return func(s network.Stream) {
			_ = s.SetWriteDeadline(time.Now().Add(long))
			_, _ = s.Write(b) // it may be refused
		}
	}
	return map[string]func(network.Stream){
		"nothing":              begin(nil),
		"half a header":        begin([]byte{0, 0}),
		"half a message":       begin(append([]byte{0, 0, 255, 0}, make([]byte, 100)...)),
		"an announced payload": begin(putOf(t, big)),
		"half a payload":       begin(half[:len(half)-wire.MaxPayload/2]),
		"answers are not read": begin(gets),
		"an announced filter":  begin(request(t, wire.OpKeep, &wire.KeepSet{Hashes: 7, Size: wire.MaxKeepSet})),
		"nested, and no end":   begin([]byte{0, 0, 255, 255, byte(wire.OpHas), 0x91, 0x91, 0x91}),
	}
}

// TestFlood has a member open four times as many streams as it may, and stand
// still on all of them, in each of several ways: an honest member is served
// meanwhile, memory is bounded, and when the flooder is tired it is served as if
// nothing had been.
func TestFlood(t *testing.T) {
	for transport, listen := range map[string]string{"tcp": overTCP, "quic": overQUIC} {
		t.Run(transport, func(t *testing.T) {
			v := newVictim(t, listen)
			seed := uint64(100)
			for name, begin := range stalls(t, v) {
				t.Run(name, func(t *testing.T) {
					before := heap()
					streams := v.flood(t, begin)
					for range 5 {
						seed++
						v.serves(t, seed)
					}
					if grown := int64(heap()) - int64(before); grown > 512<<20 {
						t.Errorf("%d streams hold %d MiB", len(streams), grown>>20)
					}
					for _, s := range streams {
						_ = s.Reset()
					}
					eventually(t, "the flooder is served when it behaves", func() bool { return v.answers(t) })
				})
			}
		})
	}
}

// flood opens streams as far as they can be had, and begins something on each.
func (v *victim) flood(t *testing.T, begin func(network.Stream)) (streams []network.Stream) {
	t.Helper()
	for range 4 * mayOpen {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		s, err := v.foe.Open(ctx, v.at(), wire.ShardProtocol)
		cancel()
		if err != nil {
			break
		}
		streams = append(streams, s)
		go begin(s)
	}
	return streams
}

// TestTooManyStreams: of the streams that one member opens and leaves open, those
// beyond its share are reset.
func TestTooManyStreams(t *testing.T) {
	v := newVictim(t, overTCP)
	var gone atomic.Int64
	streams := v.flood(t, func(s network.Stream) {
		_, _ = s.Write([]byte{0, 0}) // it may be reset meanwhile
		drain(s)
		gone.Add(1)
	})
	eventually(t, "those beyond are reset", func() bool { return len(streams)-int(gone.Load()) <= mayOpen })
	v.serves(t, 1)
	for _, s := range streams {
		_ = s.Reset()
	}
}

// TestManyStrangers has more strangers come than are let in, to a node where one
// may join, and stay, first one by one, then together: some are let in, members
// are served, and when they have gone others get in.
func TestManyStrangers(t *testing.T) {
	v := newVictim(t, overTCP)
	v.host.Handle(wire.JoinProtocol, echo{})
	join := func(i *Intruder) bool {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		s, err := i.Open(ctx, v.at(), wire.JoinProtocol)
		if err != nil {
			return false
		}
		_ = s.SetDeadline(time.Now().Add(20 * time.Second))
		c := wire.NewConn(s) // the stream stays open
		if c.WriteBlob(wire.OpChange, []byte("let me in")) != nil {
			return false
		}
		_, err = c.ReadBlob(100)
		return err == nil
	}
	var in []*Intruder
	var crowd [2 * mayJoin]*Intruder
	for i := range crowd {
		var err error
		crowd[i], err = NewIntruder(newIdentity(t))
		must(t, err)
		t.Cleanup(func() { _ = crowd[i].Close() })
	}
	for _, i := range crowd { // within the time that strangers may stay
		if !join(i) {
			break
		}
		in = append(in, i)
	}
	if len(in) == 0 || len(in) > mayJoin {
		t.Errorf("%d strangers are let in", len(in))
	}
	v.serves(t, 1)
	var together sync.WaitGroup
	for _, i := range crowd {
		together.Go(func() { join(i) })
	}
	together.Wait()
	v.serves(t, 2)
	for _, i := range crowd {
		must(t, i.Close())
	}
	late, err := NewIntruder(newIdentity(t))
	must(t, err)
	t.Cleanup(func() { _ = late.Close() })
	eventually(t, "another stranger is let in", func() bool { return join(late) })
}

// answers reports whether the member that is not honest gets an answer to an
// honest question.
func (v *victim) answers(t *testing.T) bool {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	s, err := v.foe.Open(ctx, v.at(), wire.ShardProtocol)
	if err != nil {
		return false
	}
	defer s.Reset()
	_ = s.SetDeadline(time.Now().Add(10 * time.Second))
	c := wire.NewConn(s)
	var used wire.Used
	return c.WriteRequest(wire.OpUsage, &wire.Usage{}) == nil && c.ReadAnswer(&used) == nil
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(long); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", long, what)
		}
	}
}

// TestStrangers has somebody who is no member try each protocol: none gives an
// answer but the one by which strangers join, and that only where they may.
func TestStrangers(t *testing.T) {
	v := newVictim(t, overTCP)
	v.host.Handle(wire.MemberProtocol, echo{})
	v.host.Handle(wire.ProofProtocol, echo{})
	stranger, err := NewIntruder(newIdentity(t))
	must(t, err)
	t.Cleanup(func() { must(t, stranger.Close()) })
	try := func(proto string) error {
		ctx, cancel := context.WithTimeout(t.Context(), long)
		defer cancel()
		s, err := stranger.Open(ctx, v.at(), proto)
		if err != nil {
			return err
		}
		defer s.Reset()
		_ = s.SetDeadline(time.Now().Add(long))
		c := wire.NewConn(s)
		if proto == wire.ShardProtocol {
			if err := c.WriteRequest(wire.OpUsage, &wire.Usage{}); err != nil {
				return err
			}
			return c.ReadAnswer(&wire.Used{})
		}
		if err := c.WriteBlob(wire.OpDigest, []byte("hello")); err != nil {
			return err
		}
		_, err = c.ReadBlob(100)
		return err
	}
	refused := func(proto string) {
		t.Helper()
		err := try(proto)
		if err == nil || isTimeout(err) {
			t.Errorf("%s: a stranger gets %v", proto, err)
		}
	}
	all := []string{wire.ShardProtocol, wire.ProofProtocol, wire.MemberProtocol}
	for _, proto := range append(all, wire.JoinProtocol) {
		refused(proto)
	}
	v.host.Handle(wire.JoinProtocol, echo{})
	must(t, try(wire.JoinProtocol))
	for _, proto := range all {
		refused(proto)
	}
	v.serves(t, 1)
}

// echo is a blob server that gives back what it got.
type echo struct{}

var _ wire.BlobServer = echo{}

func (echo) Limit(wire.Op, swarm.MemberID) int { return 1000 }

func (echo) Serve(_ context.Context, _ wire.Op, _ swarm.MemberID, request []byte) ([]byte, error) {
	if len(request) > 1000 {
		return nil, errors.New("more than the limit")
	}
	return request, nil
}
