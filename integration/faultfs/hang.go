package faultfs

import (
	"context"
	"sync"

	"pifs/fsnode"
	"pifs/mount"
)

// Calls are kinds of calls that a Hanging file system may hold up.
type Calls uint8

// The kinds.
const (
	Reads    Calls = 1 << iota // of files
	Writes                     // of files, truncations among them
	Syncs                      // of files and directories
	Statfs                     // of the file system
	Names                      // lookups, listings, attributes, opening, making and removing
	AllCalls Calls = 1<<iota - 1
)

// Hanging is a file system on a disk that can stop answering: calls that it
// holds up do not return, not even to callers that are killed, until it is
// resumed. It is safe for concurrent use.
type Hanging struct {
	mount.FS

	mu      sync.Mutex
	held    Calls
	open    chan struct{} // closed by Resume
	waiting int
}

var _ mount.FS = (*Hanging)(nil)

// NewHanging returns fs, which answers until it is told to hang.
func NewHanging(fs mount.FS) *Hanging { return &Hanging{FS: fs, open: make(chan struct{})} }

// Hang holds up calls of these kinds from now on, besides those held already.
func (h *Hanging) Hang(calls Calls) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held |= calls
}

// Resume lets everything go on.
func (h *Hanging) Resume() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held = 0
	close(h.open)
	h.open = make(chan struct{})
}

// Waiting returns how many calls are held up.
func (h *Hanging) Waiting() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.waiting
}

// pass returns when calls of the kind are not held up; at once and with
// ErrWouldBlock if the caller cannot wait.
func (h *Hanging) pass(kind Calls, wait bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.held&kind != 0 {
		if !wait {
			return fsnode.ErrWouldBlock
		}
		open := h.open
		h.waiting++
		h.mu.Unlock()
		<-open
		h.mu.Lock()
		h.waiting--
	}
	return nil
}

// Lookup implements mount.FS.
func (h *Hanging) Lookup(ctx context.Context, parent fsnode.Ino, name string) (fsnode.Attr, error) {
	_ = h.pass(Names, true) // it waits, and then there is no error
	return h.FS.Lookup(ctx, parent, name)
}

// Getattr implements mount.FS.
func (h *Hanging) Getattr(ctx context.Context, ino fsnode.Ino) (fsnode.Attr, error) {
	_ = h.pass(Names, true)
	return h.FS.Getattr(ctx, ino)
}

// Setattr implements mount.FS.
func (h *Hanging) Setattr(ctx context.Context, ino fsnode.Ino, set fsnode.SetAttr, wait bool) (fsnode.Attr, error) {
	if err := h.pass(Writes, wait); err != nil {
		return fsnode.Attr{}, err
	}
	return h.FS.Setattr(ctx, ino, set, wait)
}

// Create implements mount.FS.
func (h *Hanging) Create(ctx context.Context, parent fsnode.Ino, name string, mode uint32, cred fsnode.Cred) (fsnode.Attr, error) {
	_ = h.pass(Names, true)
	return h.FS.Create(ctx, parent, name, mode, cred)
}

// Open implements mount.FS.
func (h *Hanging) Open(ctx context.Context, ino fsnode.Ino, write bool) error {
	_ = h.pass(Names, true)
	return h.FS.Open(ctx, ino, write)
}

// Unlink implements mount.FS.
func (h *Hanging) Unlink(ctx context.Context, parent fsnode.Ino, name string, cred fsnode.Cred) error {
	_ = h.pass(Names, true)
	return h.FS.Unlink(ctx, parent, name, cred)
}

// Readdir implements mount.FS.
func (h *Hanging) Readdir(ctx context.Context, ino fsnode.Ino, cookie uint64, fn func(fsnode.DirEntry) bool) error {
	_ = h.pass(Names, true)
	return h.FS.Readdir(ctx, ino, cookie, fn)
}

// Read implements mount.FS.
func (h *Hanging) Read(ctx context.Context, ino fsnode.Ino, off int64, p []byte, wait bool) (int, error) {
	if err := h.pass(Reads, wait); err != nil {
		return 0, err
	}
	return h.FS.Read(ctx, ino, off, p, wait)
}

// Write implements mount.FS.
func (h *Hanging) Write(ctx context.Context, ino fsnode.Ino, off int64, p []byte, wait bool) (int, error) {
	if err := h.pass(Writes, wait); err != nil {
		return 0, err
	}
	return h.FS.Write(ctx, ino, off, p, wait)
}

// Fsync implements mount.FS.
func (h *Hanging) Fsync(ctx context.Context, ino fsnode.Ino) error {
	_ = h.pass(Syncs, true)
	return h.FS.Fsync(ctx, ino)
}

// Statfs implements mount.FS.
func (h *Hanging) Statfs(ctx context.Context) (fsnode.FsInfo, error) {
	_ = h.pass(Statfs, true)
	return h.FS.Statfs(ctx)
}
