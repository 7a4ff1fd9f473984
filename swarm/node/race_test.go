package node_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"pifs/blockstore"
	"pifs/swarm/decide"
	"pifs/swarm/wire"
)

// TestReceiptsBesideSweeps has users put and give up the same few shards, as fast as
// they can, beside sweeps that wait for nothing: who has a receipt finds its
// shard, until it gives it up itself.
func TestReceiptsBesideSweeps(t *testing.T) {
	r := newRig(t)
	must(t, r.Close())
	r.periods = decide.Lease{}
	r.open()
	stop := make(chan struct{})
	var users, sweeper sync.WaitGroup
	sweeper.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := r.Sweep(bg); err != nil {
				t.Errorf("sweep: %v", err)
				return
			}
		}
	})
	for u := range r.users {
		users.Go(func() {
			for i := range uint64(60) {
				if err := holdAndRelease(r, u, i%3); err != nil {
					t.Errorf("user %d, round %d: %v", u, i, err)
					return
				}
			}
		})
	}
	users.Wait()
	close(stop)
	sweeper.Wait()
}

// holdAndRelease puts a shard until there is a receipt, looks at it, and gives it up.
func holdAndRelease(r *rig, user int, seed uint64) error {
	id := ids(seed)
	for {
		if err := r.put(user, seed); err != nil {
			return fmt.Errorf("put: %w", err)
		}
		_, err := r.Sync(bg, r.users[user].ID, id)
		if err == nil {
			break
		}
		if !errors.Is(err, blockstore.ErrNotFound) { // that is honest: it is to be put again
			return fmt.Errorf("sync: %w", err)
		}
	}
	for range 5 {
		held, err := r.Has(bg, r.users[user].ID, &wire.Has{IDs: id})
		if err != nil {
			return fmt.Errorf("has: %w", err)
		}
		if held.Tokens[0] == [32]byte{} {
			return errors.New("a shard with a receipt is gone")
		}
	}
	return r.Release(bg, r.users[user].ID, id)
}
