package integration

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// stressors are those of stress-ng's class filesystem, a line at a time at
// once. Left out are:
//
//	bind-mount, binderfs    mount file systems of their own
//	eventfd, ioprio, procfs have nothing to do with the mount
//	fiemap, verity          ioctls, which the FUSE library does not carry
var stressors = []string{
	"access chattr chdir chmod chown copy-file dentry dir dirdeep",
	"dirmany dnotify dup fallocate fanotify fcntl file-ioctl filename flock",
	"fpunch fsize fstat getdent handle hdd inode-flags inotify io",
	"iomix lease link locka lockf lockofd mknod open rename",
	"seek symlink sync-file touch utime xattr revio readahead aio aiol",
}

// TestStressNG runs stress-ng's file system stressors with --verify, several
// at once.
func TestStressNG(t *testing.T) {
	d := mounted(t)
	each := stint(t, 4*time.Second*time.Duration(len(stressors))) / time.Duration(len(stressors))
	for i, line := range stressors {
		args := []string{"--verify", "--timeout", seconds(each), "--temp-path", d.dir, "--oomable"}
		for name := range strings.FieldsSeq(line) {
			args = append(args, "--"+name, "1")
		}
		o := child(t, each+heavy, nil, "stress-ng", args...)
		said := o.stdout + o.stderr
		for _, bad := range []string{"fail:", "error:", "skipping"} {
			if strings.Contains(said, bad) {
				t.Errorf("group %d says %q", i, bad)
			}
		}
		if o.status != 0 || !strings.Contains(said, " successful run completed") || t.Failed() {
			t.Errorf("group %d: status %d\n%s", i, o.status, said)
		}
	}
	if o := d.try("check"); o.status != 0 {
		t.Errorf("check: status %d\n%s%s", o.status, o.stdout, o.stderr)
	}
}

// TestFioVerifies has fio write through every kind of call, in several jobs,
// and check what it reads, after a remount too.
func TestFioVerifies(t *testing.T) {
	d := mounted(t)
	each := stint(t, 8*time.Second) / 4
	type run struct{ name, flags string }
	runs := []run{
		{"calls", "--ioengine=psync --rw=randrw --bs=1k-64k --numjobs=2 --verify_backlog=64 --verify=crc32c"},
		{"appends", "--ioengine=psync --rw=write --bs=7k --numjobs=2 --fsync=50 --verify=sha256"},
		{"maps", "--ioengine=mmap --rw=randwrite --bs=4k --numjobs=2 --verify=crc32c"},
		{"direct", "--ioengine=libaio --direct=1 --iodepth=8 --rw=randwrite --bs=4k,8k --numjobs=2 --verify=sha256"},
	}
	fio := func(r run, more ...string) {
		t.Helper()
		args := append([]string{"--directory=" + d.dir, "--name=" + r.name, "--size=12m", "--verify_fatal=1", "--verify_state_save=0", "--group_reporting"},
			strings.Fields(r.flags)...)
		o := child(t, each+heavy, nil, "fio", append(args, more...)...)
		if o.status != 0 || !strings.Contains(o.stdout, "err= 0") {
			t.Fatalf("fio %s %q: status %d\n%s%s", r.name, more, o.status, o.stdout, o.stderr)
		}
	}
	for _, r := range runs {
		for end := time.Now().Add(each); ; {
			fio(r)
			if time.Now().After(end) {
				break
			}
		}
	}
	sums := d.sh(`sha256sum "$D"/*`)
	d.remount()
	if again := d.sh(`sha256sum "$D"/*`); again != sums {
		t.Errorf("other bytes after a remount\n%s%s", sums, again)
	}
	for _, r := range runs[1:] {
		fio(r, "--verify_only")
	}
}

// TestTrims mixes random writes, holes, zeroed ranges, truncations and reads
// of one file for a while, in several processes with a file each, and compares
// with what memory says.
func TestTrims(t *testing.T) {
	d := mounted(t)
	seed := rand.Int64()
	t.Logf("seed %d", seed)
	d.job(heavy, "trims", filepath.Join(d.dir, "a"), stint(t, 3*time.Second).String(), fmt.Sprint(seed))
	d.job(heavy, "trims", filepath.Join(d.dir, "b"), "1s", fmt.Sprint(seed+1))
	d.remount()
	d.sh(`sha256sum -c --quiet "$D/a.sum" "$D/b.sum"`)
}
