package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// sample is what the daemon uses at one moment.
type sample struct {
	Seconds    float64 `json:"seconds"` // since the soak began
	RSS        int64   `json:"rss"`     // resident bytes
	Heap       int64   `json:"heap"`    // bytes of objects on the heap
	FDs        int64   `json:"fds"`
	Goroutines int64   `json:"goroutines"`
	Open       int64   `json:"open"`  // handles of files and folders
	Known      int64   `json:"known"` // inodes that the kernel remembers
	Dirty      int64   `json:"dirty"` // bytes written and not in blocks yet
	Outbox     int64   `json:"outbox"`
	Home       int64   `json:"home"` // bytes of disk
}

// series are the figures of a sample that are judged or drawn.
var series = []struct {
	name  string
	unit  string
	flat  bool    // it has to be
	slack float64 // growth per hour that is nothing, in the unit
	value func(sample) float64
}{
	{"resident memory", "MiB", true, 8, func(s sample) float64 { return float64(s.RSS) / mib }},
	{"heap", "MiB", true, 8, func(s sample) float64 { return float64(s.Heap) / mib }},
	{"file descriptors", "", true, 2, func(s sample) float64 { return float64(s.FDs) }},
	{"goroutines", "", true, 2, func(s sample) float64 { return float64(s.Goroutines) }},
	{"open handles", "", true, 2, func(s sample) float64 { return float64(s.Open) }},
	{"inodes the kernel knows", "", true, 10, func(s sample) float64 { return float64(s.Known) }},
	{"written, not in blocks", "MiB", false, 0, func(s sample) float64 { return float64(s.Dirty) / mib }},
	{"blocks in the outbox", "", true, 2, func(s sample) float64 { return float64(s.Outbox) }},
	{"home", "MiB", false, 0, func(s sample) float64 { return float64(s.Home) / mib }},
}

const mib = 1 << 20

// take samples the daemon of a drive.
func take(ctx context.Context, d *drive, start time.Time) (sample, error) {
	st, err := d.status(ctx)
	if err != nil {
		return sample{}, err
	}
	s := sample{
		Seconds: time.Since(start).Seconds(), Heap: st.Process.Heap, Goroutines: st.Process.Goroutines,
		Open: st.Volumes[0].Open, Known: st.Volumes[0].Known, Dirty: st.Dirty, Outbox: st.Outbox,
	}
	if s.RSS, err = resident(st.Daemon); err != nil {
		return s, err
	}
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", st.Daemon))
	if err != nil {
		return s, err
	}
	s.FDs = int64(len(fds))
	s.Home, err = diskUse(d.home)
	return s, err
}

// resident returns the resident size of a process in bytes.
func resident(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		var kib int64
		if n, _ := fmt.Sscanf(line, "VmRSS: %d kB", &kib); n == 1 {
			return kib << 10, nil
		}
	}
	return 0, fmt.Errorf("process %d has no VmRSS", pid)
}

// diskUse returns what the files below dir take up. Files may go meanwhile.
func diskUse(dir string) (total int64, err error) {
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		var st syscall.Stat_t
		if err == nil && syscall.Lstat(path, &st) == nil {
			total += st.Blocks * 512
		}
		if os.IsNotExist(err) {
			return nil
		}
		return err
	})
	return total, err
}
