package posix

import (
	"encoding/binary"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

func listCases() []Case {
	return []Case{
		{"list/types", listTypes},
		{"list/under change", listChange},
		{"list/seek", listSeek},
		{"list/empty", listEmpty},
		{"list/large", listLarge},
	}
}

// entry is a name as getdents(2) tells it, and the position after it.
type entry struct {
	name string
	typ  byte
	next int64
}

// getdents reads once, into room bytes; nothing at the end.
func (t *T) getdents(fd, room int) []entry {
	p := make([]byte, room)
	n, err := unix.ReadDirent(fd, p)
	if err != nil {
		t.do("getdents", err)
		return nil
	}
	var out []entry
	for p = p[:n]; len(p) > 0; {
		size := binary.NativeEndian.Uint16(p[16:])
		name := p[19:size]
		if i := slices.Index(name, 0); i >= 0 {
			name = name[:i]
		}
		out = append(out, entry{string(name), p[18], int64(binary.NativeEndian.Uint64(p[8:]))})
		p = p[size:]
	}
	return out
}

// rest reads to the end.
func (t *T) rest(fd, room int) []entry {
	var all []entry
	for {
		some := t.getdents(fd, room)
		if len(some) == 0 {
			return all
		}
		all = append(all, some...)
	}
}

func names(list []entry) []string {
	out := make([]string, len(list))
	for i, e := range list {
		out[i] = e.name
	}
	slices.Sort(out)
	return out
}

func listTypes(t *T) {
	t.dir("d", 0o755)
	t.file("d/file", "", 0o644)
	t.dir("d/dir", 0o755)
	t.must("symlink", unix.Symlink("x", "d/link"))
	t.must("mkfifo", unix.Mkfifo("d/fifo", 0o644))
	t.must("mknod", unix.Mknod("d/char", unix.S_IFCHR|0o644, int(unix.Mkdev(1, 3))))
	t.must("mknod", unix.Mknod("d/block", unix.S_IFBLK|0o644, int(unix.Mkdev(7, 0))))
	t.must("mknod", unix.Mknod("d/socket", unix.S_IFSOCK|0o644, 0))
	fd := t.fd("d", unix.O_RDONLY|unix.O_DIRECTORY)
	defer unix.Close(fd)
	list := t.rest(fd, 4096)
	slices.SortFunc(list, func(a, b entry) int { return slices.Compare([]byte(a.name), []byte(b.name)) })
	for _, e := range list {
		t.note("entry", e.name, e.typ)
	}
	n, err := unix.ReadDirent(fd, make([]byte, 4096))
	t.note("at the end", n, errName(err))
	_, err = unix.Seek(fd, 0, 0)
	t.do("rewind", err)
	_, err = unix.ReadDirent(fd, make([]byte, 10))
	t.do("no room", err)
}

// listChange creates and removes while a listing is under way: what existed
// throughout is there exactly once.
func listChange(t *T) {
	t.dir("d", 0o755)
	for i := range 1000 {
		t.file(fmt.Sprintf("d/stays-%04d", i), "", 0o644)
		t.file(fmt.Sprintf("d/goes-%04d", i), "", 0o644)
	}
	fd := t.fd("d", unix.O_RDONLY|unix.O_DIRECTORY)
	defer unix.Close(fd)
	seen := map[string]int{}
	for round := 0; ; round++ {
		some := t.getdents(fd, 2048)
		if len(some) == 0 {
			break
		}
		for _, e := range some {
			seen[e.name]++
		}
		for i := range 40 {
			if k := round*40 + i; k < 1000 {
				t.must("unlink", unix.Unlink(fmt.Sprintf("d/goes-%04d", k)))
				t.file(fmt.Sprintf("d/comes-%04d", k), "", 0o644)
			}
		}
	}
	missed, twice := 0, 0
	for i := range 1000 {
		if seen[fmt.Sprintf("stays-%04d", i)] == 0 {
			missed++
		}
	}
	for _, n := range seen {
		if n > 1 {
			twice++
		}
	}
	t.note("missed", missed, "twice", twice)
}

// listSeek goes back to every position that a listing gave.
func listSeek(t *T) {
	t.dir("d", 0o755)
	for i := range 300 {
		t.file(fmt.Sprintf("d/%03d", i), "", 0o644)
	}
	fd := t.fd("d", unix.O_RDONLY|unix.O_DIRECTORY)
	defer unix.Close(fd)
	all := t.rest(fd, 4096)
	t.note("entries", len(all))
	bad := 0
	for i := 0; i < len(all); i += 7 {
		if _, err := unix.Seek(fd, all[i].next, 0); err != nil {
			t.do("seek", err)
		}
		rest := t.rest(fd, 4096)
		if !slices.Equal(rest, all[i+1:]) {
			bad++
		}
	}
	t.note("positions that lead elsewhere", bad)
	_, err := unix.Seek(fd, 0, 0)
	t.do("rewind", err)
	t.file("d/new", "", 0o644)
	again := t.rest(fd, 4096)
	t.note("entries after a rewind", len(again), slices.Contains(names(again), "new"))
	_, err = unix.Seek(fd, all[100].next, 0)
	t.do("seek", err)
	for i := range 50 {
		t.must("unlink", unix.Unlink("d/"+fmt.Sprintf("%03d", i)))
	}
	t.note("nothing twice", len(t.rest(fd, 4096)) <= len(all))
}

func listEmpty(t *T) {
	t.dir("d", 0o755)
	fd := t.fd("d", unix.O_RDONLY|unix.O_DIRECTORY)
	defer unix.Close(fd)
	t.note("entries", names(t.rest(fd, 4096)))
	t.file("f", "", 0o644)
	f := t.fd("f", unix.O_RDONLY)
	_, err := unix.ReadDirent(f, make([]byte, 100))
	t.do("getdents of a file", err)
	unix.Close(f)
}

func listLarge(t *T) {
	t.dir("d", 0o755)
	for i := range 5000 {
		t.must("link", unix.Mknod(fmt.Sprintf("d/entry-%05d-%0*d", i, i%200, 0), unix.S_IFREG|0o644, 0))
	}
	fd := t.fd("d", unix.O_RDONLY|unix.O_DIRECTORY)
	defer unix.Close(fd)
	list := names(t.rest(fd, 32768))
	t.note("entries", len(list), len(slices.Compact(slices.Clone(list))))
	t.do("rmdir", unix.Rmdir("d"))
}
