package integration

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"pifs/integration/faultfs"
	"pifs/mount"
)

// hangingDisk mounts a disk that can stop answering, and returns where. It is
// resumed and taken away after all that the test sets up later.
func hangingDisk(t *testing.T) (string, *faultfs.Hanging) {
	t.Helper()
	dir, err := os.MkdirTemp("", "disk-")
	if err != nil {
		t.Fatal(err)
	}
	disk := faultfs.NewHanging(faultfs.New())
	// Whatever hangs here must hang for longer than any test.
	server, err := mount.Mount(context.Background(), dir, disk, mount.Options{FSName: "faultfs", Deadline: time.Hour, Workers: 256})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve() }()
	t.Cleanup(func() {
		disk.Resume()
		// A daemon that was killed lets go of its files when its calls return.
		eventually(t, "the disk can be unmounted", func() bool { return server.Unmount(false) == nil })
		if err := <-served; err != nil {
			t.Errorf("serve the disk: %v", err)
		}
		if err := os.Remove(dir); err != nil {
			t.Error(err)
		}
	})
	return dir, disk
}

// hungDrive is a drive three of whose five stores lie on disks that can stop
// answering.
type hungDrive struct {
	*drive
	stores []string
	disks  []*faultfs.Hanging // of the first stores
}

func newHungDrive(t *testing.T) *hungDrive {
	t.Helper()
	h := &hungDrive{}
	for range 3 {
		dir, disk := hangingDisk(t)
		h.disks = append(h.disks, disk)
		h.stores = append(h.stores, filepath.Join(dir, "store"))
	}
	h.drive = newDrive(t)
	for _, name := range []string{"3", "4"} {
		h.stores = append(h.stores, filepath.Join(filepath.Dir(h.home), "store"+name))
	}
	t.Cleanup(h.resume) // before the drive is taken away
	return h
}

func (h *hungDrive) mount(flags ...string) {
	h.t.Helper()
	for _, s := range h.stores {
		flags = append(flags, "--store", s)
	}
	h.drive.mount(flags...)
}

func (h *hungDrive) resume() {
	for _, d := range h.disks {
		d.Resume()
	}
}

// cold makes the next reads come from the stores' disks.
func (h *hungDrive) cold(flags ...string) {
	h.t.Helper()
	h.umount()
	h.mount(flags...)
	h.forget(h.stores)
}

// forget drops what is cached of what these stores hold.
func (h *hungDrive) forget(stores []string) {
	h.t.Helper()
	h.pifs("cache", "drop")
	h.sh(`for f in $(find ` + strings.Join(stores, " ") + ` -type f); do dd if="$f" iflag=nocache count=0 status=none; done`)
}

// settle waits until nothing is late any more and all stripes are full.
func (h *hungDrive) settle() {
	h.t.Helper()
	h.resume()
	eventually(h.t, "everything is stored", func() bool { return h.try("sync", h.dir).status == 0 })
}

// TestHungStoresRead reads while stores do not answer. Readers that wait for
// them die by SIGKILL at once; everybody else is served.
func TestHungStoresRead(t *testing.T) {
	h := newHungDrive(t)
	h.mount()
	const size = 16 << 20
	h.sh(`echo small > "$D/small"`)
	h.job(deadline, "fill", h.dir+"/a", "1", fmt.Sprint(size))
	h.job(deadline, "fill", h.dir+"/b", "2", fmt.Sprint(size))
	h.pifs("sync", h.dir)
	h.cold()

	h.disks[0].Hang(faultfs.Reads)
	h.job(deadline, "verify", h.dir+"/a", "1", fmt.Sprint(size))
	if h.disks[0].Waiting() == 0 {
		t.Error("nobody asked the store that hangs")
	}
	h.disks[1].Hang(faultfs.Reads)
	h.disks[2].Hang(faultfs.Reads)
	for _, flags := range []string{"", "iflag=direct"} {
		reader := exec.Command("dd", "if="+h.dir+"/b", "of=/dev/null", "bs=1M", flags)
		if flags == "" {
			reader.Args = reader.Args[:len(reader.Args)-1]
		}
		if err := reader.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the reader waits", func() bool {
			o := h.status().Volumes[0].Oldest
			return o != nil && o.Op == "read" && o.Path == "/b"
		})
		if got := h.sh(`stat -c %s "$D/b"; cat "$D/small"; ls "$D"`); got != fmt.Sprint(size, "\nsmall\na\nb\nsmall") {
			t.Errorf("beside the reader: %q", got)
		}
		if ended := h.endBy(reader, syscall.SIGKILL); !ended.Signaled() {
			t.Errorf("the reader ended by itself: %v", reader.ProcessState)
		}
	}
	h.resume()
	eventually(t, "the stores are read again", func() bool { return h.try("check").status == 0 })
	h.job(deadline, "verify", h.dir+"/b", "2", fmt.Sprint(size))
}

// endBy sends sig to a child and returns how it ended.
func (d *drive) endBy(cmd *exec.Cmd, sig syscall.Signal) syscall.WaitStatus {
	d.t.Helper()
	if err := cmd.Process.Signal(sig); err != nil {
		d.t.Error(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }() // how it ended is looked at
	eventually(d.t, cmd.Args[0]+" has ended", func() bool {
		select {
		case <-ended:
			return true
		default:
			return false
		}
	})
	return cmd.ProcessState.Sys().(syscall.WaitStatus)
}

// TestHungStoresWrite writes, syncs, unmounts and mounts while stores do not
// answer at all: everything ends, and what was written is there afterwards.
func TestHungStoresWrite(t *testing.T) {
	const patience = "--deadline=20s"
	h := newHungDrive(t)
	h.mount(patience)
	h.job(deadline, "fill", h.dir+"/a", "1", "3000000")
	h.pifs("sync", h.dir)

	h.disks[0].Hang(faultfs.AllCalls)
	h.job(deadline, "fill", h.dir+"/b", "2", "3000000")
	h.sh(`sync "$D/b"; df "$D"`)
	h.ends("sync", h.dir)
	h.ends("check")
	h.umount()
	h.mount(patience) // opening that store is given up
	h.job(deadline, "verify", h.dir+"/b", "2", "3000000")

	h.forget(h.stores[1:])
	h.disks[1].Hang(faultfs.AllCalls)
	h.disks[2].Hang(faultfs.AllCalls)
	if o := child(t, deadline, []string{"LC_ALL=C"}, "cat", h.dir+"/a"); !strings.Contains(o.stderr, "Input/output error") {
		t.Errorf("read from two stores: status %d: %s", o.status, o.stderr)
	}
	h.disks[1].Resume()
	h.disks[2].Resume()
	before := h.status().Volumes[0].Head.Seq
	h.sh(`echo warm > "$D/warm"`)
	eventually(t, "a commit finds the tree", func() bool {
		h.ends("sync", h.dir) // one store still hangs
		return h.status().Volumes[0].Head.Seq > before
	})
	h.disks[1].Hang(faultfs.AllCalls)
	h.disks[2].Hang(faultfs.AllCalls)
	h.job(deadline, "fill", h.dir+"/c", "3", "3000000")
	h.sh(`sync "$D/c"; for i in $(seq 100); do echo $i > "$D/f$i"; sync "$D/f$i"; done; df "$D"`)
	if o := h.ends("sync", h.dir); o.status == 0 {
		t.Errorf("sync with three stores that hang: %s", o.stdout)
	}
	h.ends("check")
	if s := h.status(); s.Outbox == 0 || s.Process.Goroutines > 500 {
		t.Errorf("outbox %d, %d goroutines", s.Outbox, s.Process.Goroutines)
	}
	h.sh(`df "$D"`)
	h.umount()

	h.resume()
	pid := h.pid()
	eventually(t, "the daemon has ended", func() bool { return !alive(pid) })
	h.sh(`grep -q 'msg="request failed" op=read' "$H/log"; : > "$H/log"`)
	h.mount(patience)
	h.settle()
	h.pifs("check")
	for i, name := range []string{"a", "b", "c"} {
		h.job(deadline, "verify", filepath.Join(h.dir, name), fmt.Sprint(i+1), "3000000")
	}
	h.sh(`for i in $(seq 100); do test "$(cat "$D/f$i")" = $i; done`)
}

// ends runs pifs, which may fail but must end, with one line if it fails.
func (h *hungDrive) ends(args ...string) outcome {
	h.t.Helper()
	o := h.try(args...)
	if o.status != 0 && strings.TrimSpace(o.stderr+o.stdout) == "" {
		h.t.Errorf("pifs %q: status %d, and no word", args, o.status)
	}
	return o
}

// TestStuckRequest hangs the disk of the home, which nothing can stand in for:
// a request gets EIO at the deadline, and the log names it, as status did.
func TestStuckRequest(t *testing.T) {
	dir, disk := hangingDisk(t)
	d := newDrive(t)
	d.home = filepath.Join(dir, "home")
	t.Cleanup(disk.Resume)
	d.mount("--deadline", "6s")
	d.sh(`mkdir "$D/dir"; echo before > "$D/dir/file"; sync "$D/dir/file"; echo after > "$D/dir/file"`)
	disk.Hang(faultfs.Syncs)
	syncer := d.startBystander(`echo begun; sync "$D/dir/file" 2>&1; cat`)
	eventually(t, "the request waits", func() bool {
		o := d.status().Volumes[0].Oldest
		return o != nil && o.Op == "fsync" && o.Path == "/dir/file" && o.PID != 0
	})
	if err := syscall.Kill(d.pid(), syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	const who = ` op=fsync inode=[0-9]+ path=/dir/file pid=[0-9]+ waited=[0-9]`
	for _, line := range []string{
		`msg="request in flight"` + who, `^goroutine `, `level=WARN msg="request waits"` + who,
		`level=ERROR msg="request is stuck"` + who + `.*outcome="answered with EIO"`,
	} {
		eventually(t, "the log has "+line, func() bool {
			return child(t, deadline, nil, "grep", "-Eq", line, filepath.Join(d.home, "log")).status == 0
		})
	}
	if got := d.sh(`cat "$D/dir/file"`); got != "after" {
		t.Errorf("beside the stuck request: %q", got)
	}
	disk.Resume()
	syncer.end(0)
	d.sh(`sync "$D/dir/file"`)
	d.umount()
	d.sh(`: > "$H/log"`) // it has cried out, as it should
	d.mount()
	d.pifs("check")
}
