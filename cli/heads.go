package cli

import (
	"crypto/ed25519"
	"fmt"
	"path/filepath"
	"slices"
	"sync"

	"pifs/blockstore"
	"pifs/blockstore/failpoint"
	"pifs/cli/home"
	"pifs/fsnode"
	"pifs/swarm"
)

// headLog keeps a volume's heads in a local signed chain and its copy.
type headLog struct {
	sign ed25519.PrivateKey
	path string // of the chain

	mu      sync.Mutex
	chain   chains
	entries []fsnode.HeadEntry // all of the chain, oldest first; replaced when one changes
	kept    *retention
}

var _ fsnode.HeadLog = (*headLog)(nil)

// openHeads opens the chain at path, whose every record is checked.
func openHeads(path string, keys *home.VolumeKeys) (*headLog, error) {
	if err := blockstore.MakeDir(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("open heads: %w", err)
	}
	l := &headLog{sign: keys.Sign(), path: path}
	var err error
	if l.chain, err = openChains(path, keys.ID, l.sign.Public().(ed25519.PublicKey)); err != nil {
		return nil, err
	}
	err = l.chain.main.All(func(h swarm.Head) error {
		e, err := entryOf(h)
		l.entries = append(l.entries, e)
		return err
	})
	if err == nil {
		l.kept, err = loadRetention(retentionPath(path))
	}
	if err != nil {
		l.chain.close()
		return nil, err
	}
	l.kept.apply(l.entries)
	return l, nil
}

func entryOf(h swarm.Head) (fsnode.HeadEntry, error) {
	hash, err := h.Hash()
	return fsnode.HeadEntry{
		Seq: h.Seq, Hash: hash, Time: h.Time, Root: h.Root, Tree: h.Tree, Manifest: h.Manifest, Label: h.Label,
	}, err
}

// Append implements fsnode.HeadLog.
func (l *headLog) Append(e fsnode.HeadEntry) (fsnode.HeadEntry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.chain.main.Next(swarm.Head{Time: e.Time, Root: e.Root, Tree: e.Tree, Manifest: e.Manifest, Label: e.Label})
	if err := h.Sign(l.sign); err != nil {
		return e, err
	}
	if err := l.chain.append(h); err != nil {
		return e, err
	}
	e, err := entryOf(h)
	if err == nil {
		l.entries = append(l.entries, e)
	}
	return e, err
}

// Entries implements fsnode.HeadLog.
func (l *headLog) Entries() ([]fsnode.HeadEntry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clip(l.entries), nil
}

// Forget implements fsnode.HeadLog.
func (l *headLog) Forget(seqs []uint64) error {
	return l.keep(func(r *retention) { r.Forgotten = union(r.Forgotten, seqs) })
}

// Unname implements fsnode.HeadLog.
func (l *headLog) Unname(seq uint64) error {
	return l.keep(func(r *retention) { r.Unnamed = union(r.Unnamed, []uint64{seq}) })
}

// keep changes what is kept, on disk first.
func (l *headLog) keep(change func(*retention)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	next := *l.kept
	change(&next)
	if err := next.save(retentionPath(l.path)); err != nil {
		return err
	}
	failpoint.Hit(failpoint.HeadsForgotten)
	l.kept = &next
	l.entries = slices.Clone(l.entries)
	next.apply(l.entries)
	return nil
}

// Close closes the chain.
func (l *headLog) Close() error { return l.chain.close() }
