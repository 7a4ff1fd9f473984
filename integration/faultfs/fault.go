package faultfs

import (
	"strings"
	"syscall"
)

// Fault says which op fails, and how.
type Fault struct {
	N       int           // the N-th op from arming on
	Errno   syscall.Errno // with what
	Applied bool          // the op takes effect, and fails nevertheless
	Short   bool          // a write does half of its work and says so; other ops fail
	On      bool          // and all ops after the N-th, until healed
	SyncOf  string        // if set, only fsyncs of files count whose path has this in it
}

// Arm makes f happen. The counting starts anew.
func (fs *FS) Arm(f Fault) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.fault, fs.count, fs.hits = &f, 0, 0
}

// Heal puts the disk in order and returns how many ops failed.
func (fs *FS) Heal() int {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.fault = nil
	return fs.hits
}

// Count returns how many ops there were since Arm that could have failed.
func (fs *FS) Count() int {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return fs.count
}

// strike counts op and returns the fault if it is to fail. What the kernel
// writes back of shared memory is not counted: nobody can say when it does.
// fs.mu is held.
func (fs *FS) strike(op *Op) *Fault {
	if op.Kind == Mark || op.Kind == Chmod || fs.memory(op.Ino) {
		return nil
	}
	f := fs.fault
	if f != nil && f.SyncOf != "" && (op.Kind != Sync || !strings.Contains(fs.names[op.Ino], f.SyncOf)) {
		return nil
	}
	fs.count++
	if f == nil || fs.count < f.N || fs.count > f.N && !f.On {
		return nil
	}
	if f.Errno == syscall.ENOSPC && !op.Kind.takesRoom() {
		return nil
	}
	fs.hits++
	return f
}

// do applies and records op, or makes it fail. It returns how much of a write
// was done. fs.mu is held.
func (fs *FS) do(op Op) (int, error) {
	f := fs.strike(&op)
	switch {
	case f == nil, f.Applied:
	case f.Short && op.Kind == Write && len(op.Data) > 1:
		op.Data = op.Data[:len(op.Data)/2]
		fs.record(op)
		return len(op.Data), nil
	case op.Kind == Sync:
		op.Kind = LostSync
		fs.record(op)
		return 0, f.Errno
	default:
		return 0, f.Errno
	}
	fs.record(op)
	if f != nil {
		return 0, f.Errno
	}
	return len(op.Data), nil
}

func (fs *FS) record(op Op) {
	fs.log = append(fs.log, op)
	fs.disk.Apply(&fs.log[len(fs.log)-1])
}
