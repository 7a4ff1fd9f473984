package cli

import (
	"log/slog"
	"sync"

	"pifs/fsnode"
)

// invalidator tells the kernel of inodes that changed without its doing. The
// volume reports them under its own lock, so they are only noted there, and
// passed on by a goroutine that holds none.
type invalidator struct {
	mu      sync.Mutex
	changed map[fsnode.Ino]struct{}
	wake    chan struct{}
}

func newInvalidator() *invalidator {
	return &invalidator{changed: map[fsnode.Ino]struct{}{}, wake: make(chan struct{}, 1)}
}

// note remembers that ino changed. It does not block.
func (i *invalidator) note(ino fsnode.Ino) {
	i.mu.Lock()
	i.changed[ino] = struct{}{}
	i.mu.Unlock()
	select {
	case i.wake <- struct{}{}:
	default:
	}
}

// run passes changes to tell until done is closed.
func (i *invalidator) run(done <-chan struct{}, tell func(fsnode.Ino) error, log *slog.Logger) {
	for {
		select {
		case <-done:
			return
		case <-i.wake:
		}
		i.mu.Lock()
		batch := i.changed
		i.changed = map[fsnode.Ino]struct{}{}
		i.mu.Unlock()
		for ino := range batch {
			if err := tell(ino); err != nil {
				log.Debug("invalidate", "inode", ino, "err", err)
			}
		}
	}
}
