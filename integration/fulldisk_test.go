package integration

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// fullSize returns the size of the i-th file of untilFull.
func fullSize(i int64) int64 { return []int64{900_000, 5000, 300_000, 60_000}[i%4] + i }

// untilFull writes files from number first on, syncs each, and only then prints
// its number, until there is no room, which it says as well: a line with the
// call that failed.
func untilFull(dir string, first int64) error {
	for i := first; ; i++ {
		call, err := writeSynced(filepath.Join(dir, "full-"+strconv.FormatInt(i, 10)), i, fullSize(i))
		switch {
		case errors.Is(err, syscall.ENOSPC):
			fmt.Println("no room at", call)
			return nil
		case err != nil:
			return fmt.Errorf("%s: %w", call, err)
		}
		fmt.Println(i)
	}
}

// writeSynced writes a file of the stream of seed and says which call failed.
func writeSynced(path string, seed, size int64) (call string, err error) {
	f, err := os.Create(path)
	if err != nil {
		return "create", err
	}
	defer f.Close()
	buf := make([]byte, 128<<10)
	for r := stream(seed, size); ; {
		n, _ := r.Read(buf)
		if n == 0 {
			break
		}
		if _, err := f.Write(buf[:n]); err != nil {
			return "write", err
		}
	}
	if err := f.Sync(); err != nil {
		return "fsync", err
	}
	return "close", f.Close()
}

// verifyFull checks the files with the given numbers.
func verifyFull(dir string, numbers []string) error {
	for _, text := range numbers {
		i := number(text)
		if err := verify(filepath.Join(dir, "full-"+text), i, fullSize(i)); err != nil {
			return err
		}
	}
	return nil
}

// tmpfs mounts a disk of that many MiB at path, which it makes.
func (d *drive) tmpfs(path string, mib int) {
	d.t.Helper()
	d.sh(fmt.Sprintf(`mkdir -p %s; mount -t tmpfs -o size=%dm,mode=700 tmpfs %[1]s`, path, mib))
	d.t.Cleanup(func() { d.sh(`umount ` + path) })
}

// onDisks returns a drive whose home and five stores lie on disks of their
// own, so many MiB each; 0 is the disk of the tests.
func onDisks(t *testing.T, home int, stores [5]int) *drive {
	t.Helper()
	d := newDrive(t)
	base := filepath.Dir(d.dir)
	if home > 0 {
		d.tmpfs(d.home, home)
	}
	var flags []string
	for i, mib := range stores {
		path := fmt.Sprintf("%s/store%d", base, i)
		if mib > 0 {
			d.tmpfs(path, mib)
		}
		flags = append(flags, "--store", path)
	}
	t.Cleanup(d.end) // before the disks go
	d.mount(flags...)
	return d
}

// free returns what statfs says is free, in bytes.
func (d *drive) free() int64 {
	d.t.Helper()
	var blocks, size int64
	out := d.sh(`stat -f -c '%a %S' "$D"`)
	if _, err := fmt.Sscan(out, &blocks, &size); err != nil {
		d.t.Fatalf("%v in %q", err, out)
	}
	return blocks * size
}

// fillUp writes until there is no room and returns what was acknowledged.
func (d *drive) fillUp(first int64) (acked []string, bytes int64) {
	d.t.Helper()
	lines := strings.Fields(strings.ReplaceAll(d.job(2*deadline, "untilFull", d.dir, strconv.FormatInt(first, 10)), "no room at ", "no-room-at-"))
	if n := len(lines); n == 0 || !strings.HasPrefix(lines[n-1], "no-room-at-") {
		d.t.Fatalf("writing ended without an error: %q", lines)
	}
	d.t.Logf("after %d files: %s", len(lines)-1, lines[len(lines)-1])
	for _, text := range lines[:len(lines)-1] {
		acked = append(acked, text)
		bytes += fullSize(number(text))
	}
	return acked, bytes
}

// sound reads every acknowledged file from its shards, and checks the drive.
func (d *drive) sound(acked []string) {
	d.t.Helper()
	d.pifs("cache", "drop")
	d.job(deadline, "fullAcked", append([]string{d.dir}, acked...)...)
	if o := d.try("check"); o.status != 0 {
		d.t.Errorf("check: status %d\n%.2000s%s", o.status, o.stdout, o.stderr)
	}
}

// TestFullStores fills disks of the stores, all five or one: what statfs said
// is free can be written, then writers get ENOSPC, readers go on, and removing
// makes room.
func TestFullStores(t *testing.T) {
	for name, stores := range map[string][5]int{"all": {32, 32, 32, 32, 32}, "one": {0, 0, 32, 0, 0}} {
		t.Run(name, func(t *testing.T) {
			d := onDisks(t, 0, stores)
			promised := d.free()
			acked, wrote := d.fillUp(0)
			if wrote < promised*85/100 || wrote > promised*115/100 {
				t.Errorf("statfs promised %d bytes, %d could be written", promised, wrote)
			}
			if left := d.free(); left > promised/10 {
				t.Errorf("statfs says %d bytes are free on a full drive", left)
			}
			d.sound(acked)
			half := len(acked) / 2
			for _, text := range acked[:half] {
				d.sh(`rm "$D/full-` + text + `"`)
			}
			acked = acked[half:]
			eventually(t, "there is room again", func() bool { return d.free() > promised/4 })
			more, wrote := d.fillUp(100_000)
			if wrote < promised/4 {
				t.Errorf("%d bytes could be written after half was removed, of %d at first", wrote, promised)
			}
			acked = append(acked, more...)
			d.sound(acked)
			d.remount()
			d.sound(acked)
		})
	}
}

// TestFullHome fills the disk of the home from outside to the last byte.
func TestFullHome(t *testing.T) {
	d := onDisks(t, 48, [5]int{})
	acked, _ := d.writeSome(0, 12)
	d.pifs("sync")
	d.sh(`dd if=/dev/zero of="$H/filler" bs=64k count=100000 2>/dev/null || true; dd if=/dev/zero of="$H/filler2" bs=1k 2>/dev/null || true`)
	none, _ := d.fillUp(100_000)
	if len(none) > 0 {
		t.Errorf("%d files were acknowledged on a full disk", len(none))
	}
	d.job(deadline, "fullAcked", append([]string{d.dir}, acked...)...)
	d.sh(`rm "$D/full-` + acked[0] + `"`)
	acked = acked[1:]
	d.sh(`rm "$H/filler" "$H/filler2"`)
	eventually(t, "there is room again", func() bool {
		o := child(d.t, deadline, []string{"D=" + d.dir}, "sh", "-c", `dd if=/dev/urandom of="$D/again" bs=100k count=1 conv=fsync`)
		return o.status == 0
	})
	more, _ := d.writeSome(200_000, 5)
	acked = append(acked, more...)
	d.sound(acked)
	d.remount()
	d.sound(acked)
}

// writeSome writes and syncs n files.
func (d *drive) writeSome(first int64, n int) (acked []string, bytes int64) {
	d.t.Helper()
	for i := first; i < first+int64(n); i++ {
		text := strconv.FormatInt(i, 10)
		d.job(deadline, "fill", d.dir+"/full-"+text, text, strconv.FormatInt(fullSize(i), 10))
		d.job(deadline, "syncPath", d.dir+"/full-"+text)
		acked = append(acked, text)
		bytes += fullSize(i)
	}
	return acked, bytes
}

// TestFullCache fills the disk of cached blocks: reads that would be kept
// there are slower, and nothing else happens.
func TestFullCache(t *testing.T) {
	d := newDrive(t)
	d.mount()
	acked, _ := d.writeSome(0, 12)
	d.umount()
	d.tmpfs(d.home+"/cache/blocks", 2)
	t.Cleanup(d.end)
	d.sh(`dd if=/dev/zero of="$H/cache/blocks/filler" bs=1k 2>/dev/null || true; mv "$H/stores/1" "$H/stores/2" "$H"`)
	d.mount()
	d.job(deadline, "fullAcked", append([]string{d.dir}, acked...)...)
	more, _ := d.writeSome(100, 4)
	d.pifs("cache", "drop")
	d.job(deadline, "fullAcked", append([]string{d.dir}, append(acked, more...)...)...)
	d.umount()
	d.sh(`mv "$H/1" "$H/2" "$H/stores"`)
	d.mount()
	d.pifs("sync")
	d.sound(append(acked, more...))
}
