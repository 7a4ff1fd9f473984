package integration

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pifs/integration/posix"
)

// posixLimit is how long the cases may take on one file system.
const posixLimit = 5 * time.Minute

// runPosix is the child of a test: it runs cases in a directory and prints
// their traces.
func runPosix(dir string, cases []posix.Case, prefix string) error {
	traces, err := posix.Run(dir, cases, prefix)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(traces)
}

// posixTraces runs cases in a new directory at path.
func (d *drive) posixTraces(path, job string, args ...string) map[string][]string {
	d.t.Helper()
	if err := os.Mkdir(path, 0o755); err != nil {
		d.t.Fatal(err)
	}
	var traces map[string][]string
	decode(d.t, d.job(posixLimit, job, append([]string{path}, args...)...), &traces)
	return traces
}

// TestPosixAgainstExt4 runs every case of package posix on a mount and on the
// disk, and compares what came of each call.
func TestPosixAgainstExt4(t *testing.T) {
	d := mounted(t, "--allow-other")
	prefix := os.Getenv("PIFS_POSIX_CASES") // to look at some only
	want := d.posixTraces(filepath.Join(filepath.Dir(d.dir), "reference"), "posix", prefix)
	have := d.posixTraces(filepath.Join(d.dir, "cases"), "posix", prefix)
	if prefix == "" && len(want) != len(posix.Cases()) {
		t.Errorf("%d cases ran, want %d", len(want), len(posix.Cases()))
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		t.Run(name, func(t *testing.T) {
			if diff := differences(want[name], have[name]); diff != "" {
				t.Errorf("− ext4, + πFS\n%s", diff)
			}
		})
	}
}

// differences shows where two traces part, with a line before.
func differences(want, have []string) string {
	var out strings.Builder
	for i := range max(len(want), len(have)) {
		w, h := at(want, i), at(have, i)
		if w == h {
			continue
		}
		fmt.Fprintf(&out, "%d − %s\n%d + %s\n", i, w, i, h)
	}
	return out.String()
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "nothing"
}

// TestPosixUncarried states what a program sees where FUSE does not carry what
// it asks for, so that a change of that does not pass unnoticed.
func TestPosixUncarried(t *testing.T) {
	want := map[string][]string{
		"uncarried/acl": {
			"set system.posix_acl_access: ENOTSUP", "get system.posix_acl_access: ENOTSUP",
			"set system.posix_acl_default: ENOTSUP", "get system.posix_acl_default: ENOTSUP",
			"xattrs of d: ok []",
		},
		"uncarried/clone":     {"FICLONE: ENOTSUP"},
		"uncarried/fallocate": {"collapse: ENOTSUP", "insert: ENOTSUP"},
		"uncarried/flags":     {"lsattr: ENOTTY"},
		"uncarried/birth":     {"has a birth time: false"},
		"uncarried/chown":     {"chown of nothing by root: ok", `stat "f": 104755 nlink 1 owner 0:0 size 0 rdev 0x0`},
		"uncarried/locks":     {"a ofd w 0 10: ok", "b get w 0 100: ok type 1 start 0 len 10 pid another"},
		"uncarried/epoll":     {"watch a file: ok"},
		"uncarried/nowait":    {"RWF_NOWAIT: ENOTSUP"},
		"uncarried/setgid":    {"write by another user: ok", `stat "f": 102666 nlink 1 owner 0:0 size 5 rdev 0x0`},
		"uncarried/atime":     {"cached read through O_RDWR (ok) moves of f: ", "opening to read (ok) moves of f: atime"},
	}
	d := mounted(t, "--allow-other")
	have := d.posixTraces(filepath.Join(d.dir, "cases"), "uncarried")
	if len(have) != len(want) {
		t.Errorf("%d cases ran, want %d", len(have), len(want))
	}
	for name, trace := range have {
		if diff := differences(want[name], trace); diff != "" {
			t.Errorf("%s: − what is stated, + πFS\n%s", name, diff)
		}
	}
}

// TestStatfs compares what df shows with the room that the disk has.
func TestStatfs(t *testing.T) {
	d := mounted(t)
	var disk unix.Statfs_t
	if err := unix.Statfs(d.home, &disk); err != nil {
		t.Fatal(err)
	}
	free := float64(disk.Bavail) * float64(disk.Bsize)
	var total, avail int64
	var names, files, size uint64
	scan(t, d.sh(`stat -f -c '%b %a %s %l %d' "$D"`), &total, &avail, &size, &names, &files)
	got := float64(avail) * float64(size)
	// Of five shards on one disk three are data. Others use the disk meanwhile.
	if want := free * 3 / 5; got < want*0.95 || got > want*1.05 {
		t.Errorf("%.0f bytes are free, want about 3/5 of %.0f", got, free)
	}
	if names != 255 || total < avail || files < 1<<20 {
		t.Errorf("names of %d bytes, %d of %d blocks, %d files", names, avail, total, files)
	}
	d.job(deadline, "fill", filepath.Join(d.dir, "f"), "1", "50000000")
	d.sh(`sync -f "$D"`)
	var grown int64
	scan(t, d.sh(`stat -f -c '%b %a' "$D"`), &grown, &avail)
	if usedNow := (grown - avail) * int64(size); usedNow < 49_900_000 || usedNow > 50_100_000 {
		t.Errorf("%d bytes are used, want 50000000", usedNow)
	}
	if free, _ := strconv.Atoi(d.sh(`df --output=avail -k "$D" | tail -1`)); free < 1 {
		t.Errorf("df shows %d KiB free", free)
	}
}

func scan(t *testing.T, text string, into ...any) {
	t.Helper()
	if _, err := fmt.Sscan(text, into...); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
}

// TestRoomOfSparseFiles follows st_blocks through writing, storing, punching
// and truncating.
func TestRoomOfSparseFiles(t *testing.T) {
	d := mounted(t)
	for _, step := range []struct {
		what, script string
		want         int64 // MiB that are not holes
	}{
		{"a hole", `truncate -s 1G "$D/f"`, 0},
		{"with 8 MiB in the middle", `head -c 8M /dev/urandom | dd of="$D/f" bs=1M seek=512 conv=notrunc iflag=fullblock status=none`, 8},
		{"when that is stored", `sync -f "$D"`, 8},
		{"with 4 MiB punched out of it", `fallocate -p -o 514MiB -l 4MiB "$D/f"`, 4},
		{"when that is stored as well", `sync -f "$D"`, 4},
		{"zeroed in part", `fallocate -z -o 512MiB -l 1MiB "$D/f"; sync -f "$D"`, 3},
		{"cut off in its data", `truncate -s 514M "$D/f"; sync -f "$D"`, 1},
		{"emptied and grown", `: > "$D/f"; truncate -s 2T "$D/f"; sync -f "$D"`, 0},
	} {
		d.sh(step.script)
		var blocks int64
		scan(t, d.sh(`stat -c %b "$D/f"`), &blocks)
		if got := blocks * 512; got < step.want<<20 || got > step.want<<20+8192 {
			t.Errorf("%s: %d bytes take room, want %d MiB", step.what, got, step.want)
		}
	}
	if got := d.sh(`du --block-size=1 "$D/f" | cut -f1`); got != "0" {
		t.Errorf("du shows %s", got)
	}
}
