package peer

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"pifs/blockstore"
	"pifs/blockstore/blocktest"
	"pifs/swarm"
	"pifs/swarm/wire"
)

// pipe is a stream in memory.
type pipe struct {
	network.Stream
	c net.Conn
}

func (p pipe) Read(b []byte) (int, error)    { return p.c.Read(b) }
func (p pipe) Write(b []byte) (int, error)   { return p.c.Write(b) }
func (p pipe) SetDeadline(t time.Time) error { return p.c.SetDeadline(t) }
func (p pipe) CloseWrite() error             { return nil }

// onlyGets serves one shard.
type onlyGets struct {
	wire.ShardServer
	shard []byte
}

func (o onlyGets) Get(_ context.Context, _ swarm.MemberID, _ blockstore.ShardID, dst []byte) ([]byte, error) {
	return append(dst, o.shard...), nil
}

// TestStalled has a member stand still in the middle of a request, or go on
// with a byte a second, in virtual time: it costs one stream for a bounded time,
// after which all memory is free again.
func TestStalled(t *testing.T) {
	_, big := blocktest.Shard(1, blockstore.MaxShard)
	d := blockstore.Descriptor{Class: blockstore.Class{K: 1, N: 1}, Length: uint32(len(big)), Shards: make([]blockstore.ShardID, 1)}
	put := message(t, wire.OpPut, &wire.Put{Stripe: d})
	for _, stall := range []struct {
		name    string
		sent    []byte
		trickle bool
		within  time.Duration
	}{
		{"nothing", nil, false, streamIdle},
		{"half a header", []byte{0, 0}, false, streamIdle},
		{"a message byte by byte", []byte{0, 0, 255, 255}, true, streamIdle},
		{"a payload announced", put, false, 2 * time.Minute},
		{"a payload byte by byte", append(put, 0, 16, 0, 0), true, 2 * time.Minute},
		{"an answer that is not read", message(t, wire.OpGet, &wire.Get{}), false, 2 * time.Minute},
		{"an error that is not read", message(t, 99, &wire.Usage{}), false, 2 * time.Minute},
		{"a filter announced", message(t, wire.OpKeep, &wire.KeepSet{Hashes: 1, Size: wire.MaxKeepSet}), false, 20 * time.Minute},
	} {
		t.Run(stall.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &Host{gate: newGate(), calls: newCalls(), life: t.Context(), log: slog.New(slog.DiscardHandler)}
				h.gate.replace(map[peer.ID]bool{"foe": true})
				s := &shardServer{host: h, shards: onlyGets{shard: big}}
				here, there := net.Pipe()
				defer here.Close()
				gone := make(chan struct{})
				go func() {
					defer close(gone)
					_, err := here.Write(stall.sent)
					for ; stall.trickle && err == nil; time.Sleep(time.Second) { // virtual
						_, err = here.Write([]byte{0})
					}
				}()
				begun := time.Now()
				if err := h.serveStream(pipe{c: there}, "foe", s.serve); !isTimeout(err) && stall.name != "an error that is not read" {
					t.Errorf("it ends with %v", err)
				}
				there.Close()
				if took := time.Since(begun); took > stall.within {
					t.Errorf("it took %v, at most %v are allowed", took, stall.within)
				}
				if len(h.calls.guests) > 0 || !h.calls.room.TryAcquire(servedBytes) {
					t.Error("something is still held")
				}
				<-gone
			})
		})
	}
}

func message(t *testing.T, op wire.Op, m any) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := wire.NewConn(&b).WriteRequest(op, m); err != nil {
		t.Fatal(err)
	}
	return bytes.Clone(b.Bytes())
}
