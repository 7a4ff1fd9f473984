package audit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"

	"pifs/blockstore"
	"pifs/swarm"
	"pifs/swarm/proof"
)

// stated is what this node said of its inventory in a round.
type stated struct {
	saved
	inventory *proof.Inventory
	file      *os.File // of the inventory
}

// saved is what has to outlive the process: a second statement of the same round
// would convict the node.
type saved struct {
	_struct   bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Statement proof.Statement
	Secret    [32]byte
}

// state makes the statement of a round, which is durable on return.
func (a *Auditor) state(ctx context.Context, number uint64) (*stated, error) {
	s := &stated{}
	_, _ = rand.Read(s.Secret[:])
	part := proof.Reveal{Swarm: a.o.Swarm, Node: a.o.Self.ID, Round: number, Secret: s.Secret}
	s.Statement = proof.Statement{Swarm: a.o.Swarm, Node: a.o.Self.ID, Round: number, Commit: part.Commit(), Time: a.o.Now().Unix()}
	var err error
	if s.file, err = os.OpenFile(inventoryPath(a.o.Dir, number), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600); err != nil {
		return nil, fmt.Errorf("state inventory: %w", err)
	}
	if err := a.list(ctx, s); err != nil {
		return nil, errors.Join(fmt.Errorf("state inventory: %w", err), s.file.Close())
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stated = append(a.stated, s); len(a.stated) > 2 {
		err = a.stated[0].file.Close()
		a.stated = a.stated[1:]
	}
	return s, errors.Join(err, removeInventories(a.o.Dir, a.stated))
}

// list writes the inventory and signs its root.
func (a *Auditor) list(ctx context.Context, s *stated) (err error) {
	next, stop := iter.Pull2(func(yield func(proof.Item, error) bool) {
		err := a.o.Shards.Inventory(ctx, func(id blockstore.ShardID, size int) error {
			if !yield(proof.Item{ID: id, Size: uint32(size)}, nil) {
				return io.EOF
			}
			return nil
		})
		if err != nil && !errors.Is(err, io.EOF) {
			yield(proof.Item{}, err)
		}
	})
	defer stop()
	s.inventory, err = proof.Build(s.file, s.file, func() (proof.Item, error) {
		item, err, more := next()
		if !more {
			return item, io.EOF
		}
		return item, err
	})
	if err != nil {
		return err
	}
	if err := s.file.Sync(); err != nil {
		return err
	}
	s.Statement.Root = s.inventory.Root()
	if err := s.Statement.Sign(a.o.Self.Key); err != nil {
		return err
	}
	b, err := encode(&s.saved)
	if err != nil {
		return err
	}
	return swarm.ReplaceFile(filepath.Join(a.o.Dir, statedFile), b)
}

// loadStated returns the last statement with its inventory, nil if there is
// none.
func loadStated(dir string) (*stated, error) {
	b, err := os.ReadFile(filepath.Join(dir, statedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	s := &stated{}
	if err == nil {
		err = blockstore.Unmarshal(b, &s.saved)
	}
	if err == nil {
		s.file, err = os.Open(inventoryPath(dir, s.Statement.Round))
	}
	if err != nil {
		return nil, fmt.Errorf("load statement: %w", err)
	}
	if s.inventory, err = proof.Load(s.file); err == nil && s.inventory.Root() != s.Statement.Root {
		err = fmt.Errorf("%w: another inventory", blockstore.ErrCorrupt)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("load statement: %w", err), s.file.Close())
	}
	return s, nil
}
