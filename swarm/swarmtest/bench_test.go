package swarmtest

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"pifs/blockstore"
	"pifs/blockstore/blocktest"
	"pifs/swarm/peer"
	"pifs/swarm/wire"
)

// BenchmarkStore measures a node on loopback that has no disk: what transports,
// framing and hashes cost, with one request under way and with eight.
func BenchmarkStore(b *testing.B) {
	for _, over := range []struct{ name, listen string }{{"tcp", overTCP}, {"quic", overQUIC}} {
		b.Run(over.name, func(b *testing.B) {
			v := newVictim(b, over.listen)
			s := v.friend.Store(v.host.ID(), nil)
			id, big := blocktest.Shard(1, 1<<20)
			must(b, v.shelf.Put(b.Context(), v.friend.ID(), &wire.Put{Stripe: Lone(big)}, big))
			for _, at := range []int{1, 8} {
				measure(b, fmt.Sprintf("put-1MiB-%d", at), at, 1<<20, func(ctx context.Context, s *peer.Store) error { return s.Put(ctx, id, big) }, s)
				measure(b, fmt.Sprintf("get-1MiB-%d", at), at, 1<<20, func(ctx context.Context, s *peer.Store) error {
					_, err := s.Get(ctx, id, make([]byte, 0, 1<<20))
					return err
				}, s)
				measure(b, fmt.Sprintf("range-4KiB-%d", at), at, 4096, func(ctx context.Context, s *peer.Store) error {
					_, err := s.GetRaw(ctx, id, 512<<10, 4096)
					return err
				}, s)
				measure(b, fmt.Sprintf("has-%d", at), at, 0, func(ctx context.Context, s *peer.Store) error {
					_, err := s.Has(ctx, blockstore.ShardID{})
					return err
				}, s)
			}
		})
	}
}

func measure(b *testing.B, name string, at, bytes int, do func(context.Context, *peer.Store) error, s *peer.Store) {
	b.Run(name, func(b *testing.B) {
		b.SetBytes(int64(bytes))
		b.ReportAllocs()
		var left atomic.Int64
		left.Store(int64(b.N))
		done := make(chan error, at)
		for range at {
			go func() {
				for left.Add(-1) >= 0 {
					if err := do(b.Context(), s); err != nil {
						done <- err
						return
					}
				}
				done <- nil
			}()
		}
		for range at {
			must(b, <-done)
		}
	})
}
