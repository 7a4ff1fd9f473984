package cli

import (
	"context"
	"log/slog"
	"sync"

	"pifs/fsnode"
)

// stale is what the kernel may know wrongly: an inode, or a name in it.
type stale struct {
	ino  fsnode.Ino
	name string // empty: the inode itself
}

// invalidator tells the kernel of what changed without its doing. The
// volume reports them under its own lock, so they are only noted there, and
// passed on by a goroutine that holds none.
type invalidator struct {
	mu      sync.Mutex
	changed map[stale]struct{}
	waiting []chan struct{} // closed when the kernel was told of all of changed
	wake    chan struct{}
}

func newInvalidator() *invalidator {
	return &invalidator{changed: map[stale]struct{}{}, wake: make(chan struct{}, 1)}
}

// note remembers that ino changed. It does not block.
func (i *invalidator) note(ino fsnode.Ino) { i.noteName(ino, "") }

// noteName remembers that a name came or went. It does not block.
func (i *invalidator) noteName(parent fsnode.Ino, name string) {
	i.mu.Lock()
	i.changed[stale{parent, name}] = struct{}{}
	i.mu.Unlock()
	i.poke()
}

func (i *invalidator) poke() {
	select {
	case i.wake <- struct{}{}:
	default:
	}
}

// settle returns when the kernel was told of everything noted before, or done
// is closed. The caller holds no lock that answering the kernel needs.
func (i *invalidator) settle(ctx context.Context, done <-chan struct{}) error {
	told := make(chan struct{})
	i.mu.Lock()
	i.waiting = append(i.waiting, told)
	i.mu.Unlock()
	i.poke()
	select {
	case <-told:
		return nil
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run passes changes to tell until done is closed.
func (i *invalidator) run(done <-chan struct{}, tell func(stale) error, log *slog.Logger) {
	for {
		select {
		case <-done:
			return
		case <-i.wake:
		}
		i.mu.Lock()
		batch, waiting := i.changed, i.waiting
		i.changed, i.waiting = map[stale]struct{}{}, nil
		i.mu.Unlock()
		for s := range batch {
			if err := tell(s); err != nil {
				log.Debug("invalidate", "inode", s.ino, "err", err)
			}
		}
		for _, told := range waiting {
			close(told)
		}
	}
}
