// Package target is what workloads run on: a πFS volume, a null file system, a
// gocryptfs folder and the bare disk, all on the same disk and each served by
// one process at most. Nothing in it touches a mount itself: children do.
package target

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"pifs/integration/bench/job"
)

// The names of the targets that every workload can run on.
const (
	Pifs      = "pifs"
	Null      = "null"
	Gocryptfs = "gocryptfs"
	Disk      = "disk"
)

// All returns these names, in the order of tables.
func All() []string { return []string{Pifs, Null, Gocryptfs, Disk} }

// Emptied reports whether what workloads leave on a target is removed between
// runs: volumes of certain sizes stay as they are.
func Emptied(name string) bool { return name == Swarm || slices.Contains(All(), name) }

// Target is something that workloads run on.
type Target interface {
	Name() string
	Dir() string // where workloads work
	PID() int    // the process that serves it now, or 0

	// Settle returns when what was written is where it is to stay.
	Settle(ctx context.Context) error
	// Forget empties the caches: that of the kernel, and with deep those of
	// the serving process too, so that the next read comes from the disk.
	Forget(ctx context.Context, deep bool) error
	// Remount settles, ends the serving process and starts another. The null
	// file system keeps its process, for it has nothing but its memory.
	Remount(ctx context.Context) error
	// Work returns what the serving process has done since it began.
	Work(ctx context.Context) (Work, error)
	Close(ctx context.Context) error
}

// Work is what a process that serves a target has done.
type Work struct {
	Requests     uint64 `json:"requests"`     // of the kernel
	Transactions uint64 `json:"transactions"` // of SQLite
	ShardReads   uint64 `json:"shardReads"`
}

// Sub returns what was done since before.
func (w Work) Sub(before Work) Work {
	return Work{w.Requests - before.Requests, w.Transactions - before.Transactions, w.ShardReads - before.ShardReads}
}

// run runs a command and returns its output. What it says on standard error
// becomes part of the error.
func run(ctx context.Context, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(complaint.Bytes()))
	}
	return out, nil
}

// alone keeps the signals of a terminal from a process that serves a mount:
// it ends when it is unmounted.
func alone() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// writeBack waits until the disk has what was written below dir.
func writeBack(ctx context.Context, dir string) error {
	_, err := run(ctx, "sync", "-f", dir)
	return err
}

// dropCaches empties the kernel's caches of bytes and names. Whoever is not
// allowed to do that has it forget the bytes of the files below dir at least;
// names stay then.
func dropCaches(ctx context.Context, dir string) error {
	err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0)
	if err == nil || !errors.Is(err, os.ErrPermission) && !strings.Contains(err.Error(), "read-only") {
		return err
	}
	_, err = job.Run(ctx, job.Spec{Do: "forget", Path: dir})
	return err
}

// MayDropCaches reports whether cold means that names are forgotten, too.
func MayDropCaches() bool {
	f, err := os.OpenFile("/proc/sys/vm/drop_caches", os.O_WRONLY, 0)
	if err != nil {
		return false
	}
	return f.Close() == nil
}

// mounted reports whether something is mounted at dir.
func mounted(dir string) (bool, error) {
	table, err := os.Open("/proc/self/mounts")
	if err != nil {
		return false, err
	}
	defer table.Close()
	all, err := io.ReadAll(table)
	return strings.Contains(string(all), " "+dir+" "), err
}
