package mount

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"pifs/fsnode"
)

func listChildren() map[string]childFunc {
	return map[string]childFunc{
		"list":        childList,
		"churn":       childChurn,
		"list-stable": childListStable,
		"list-long":   childListLong,
		"remove-all":  childRemoveAll,
	}
}

const listed = 3000 // entries, many more than fit into one reply

func fill(dir string) error {
	for i := range listed {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("stay-%04d", i)), nil, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// rawNames lists a directory as getdents does, "." and ".." included.
func rawNames(dir string) ([]string, error) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var names []string
	buf := make([]byte, 4096)
	for {
		n, err := unix.Getdents(fd, buf)
		if n <= 0 || err != nil {
			return names, err
		}
		for b := buf[:n]; len(b) > 0; {
			reclen := int(b[16]) | int(b[17])<<8
			name := b[19:reclen]
			names = append(names, string(name[:slices.Index(name, 0)]))
			b = b[reclen:]
		}
	}
}

func TestList(t *testing.T) { do(t, "list", mountMem(t, Options{}).Dir()) }

func childList(args []string) error {
	var c checks
	c.ok(fill(args[0]), "fill")
	for range 2 { // the second time from the kernel's cache
		names, err := rawNames(args[0])
		c.ok(err, "list")
		if len(names) != listed+2 || names[0] != "." || names[1] != ".." {
			return fmt.Errorf("listed %d names, the first are %q", len(names), names[:min(3, len(names))])
		}
		slices.Sort(names)
		c.equal(len(slices.Compact(names)), listed+2, "different names")
	}
	c.ok(os.Mkdir(filepath.Join(args[0], "new"), 0o755), "mkdir")
	c.ok(os.Remove(filepath.Join(args[0], "stay-0000")), "remove")
	names, err := rawNames(args[0])
	c.ok(err, "list")
	c.equal([]any{slices.Contains(names, "new"), slices.Contains(names, "stay-0000"), len(names)},
		[]any{true, false, listed + 2}, "the list follows what is done")
	return c.err()
}

// TestListWhileChanging lists a directory while another process makes and
// removes entries: what stays is seen exactly once, what never was is not seen.
func TestListWhileChanging(t *testing.T) {
	m := mountMem(t, Options{})
	r := start(t, "churn", m.Dir())
	do(t, "list-stable", m.Dir())
	if err := r.in.Close(); err != nil {
		t.Fatal(err)
	}
	if out, err := r.wait(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// childChurn makes and removes entries until its input ends.
func childChurn(args []string) error {
	end := make(chan struct{})
	go func() {
		_, _ = os.Stdin.Read(make([]byte, 1))
		close(end)
	}()
	for i := 0; ; i++ {
		select {
		case <-end:
			return nil
		default:
		}
		p := filepath.Join(args[0], fmt.Sprintf("come-and-go-%d", i%50))
		if err := os.WriteFile(p, nil, 0o600); err != nil {
			return err
		}
		if err := os.Remove(p); err != nil {
			return err
		}
	}
}

func childListStable(args []string) error {
	var c checks
	c.ok(fill(args[0]), "fill")
	for range 20 {
		names, err := rawNames(args[0])
		c.ok(err, "list")
		seen := make(map[string]int)
		for _, name := range names {
			seen[name]++
		}
		for i := range listed {
			if n := seen[fmt.Sprintf("stay-%04d", i)]; n != 1 {
				return fmt.Errorf("stay-%04d was listed %d times", i, n)
			}
		}
	}
	return c.err()
}

// TestRemoveAll removes entries while listing them, as rm -r does.
func TestRemoveAll(t *testing.T) { do(t, "remove-all", mountMem(t, Options{}).Dir()) }

func childRemoveAll(args []string) error {
	d := filepath.Join(args[0], "d")
	if err := os.Mkdir(d, 0o755); err != nil {
		return err
	}
	if err := fill(d); err != nil {
		return err
	}
	if err := os.RemoveAll(d); err != nil {
		return err
	}
	if _, err := os.Stat(d); !os.IsNotExist(err) {
		return fmt.Errorf("the directory is still there: %v", err)
	}
	var st syscall.Stat_t
	if err := syscall.Stat(args[0], &st); err != nil || st.Nlink != 2 {
		return fmt.Errorf("root has %d links: %v", st.Nlink, err)
	}
	return nil
}

// TestListLooksUpNothing: who lists a directory and then looks at all that is
// in it needs no request for each.
func TestListLooksUpNothing(t *testing.T) {
	m := mountMem(t, Options{})
	cred := fsnode.Cred{}
	for i := range listedLong { // behind the kernel's back, which knows nothing of them
		a, err := m.fs.Mknod(t.Context(), fsnode.RootIno, fmt.Sprintf("file-%03d", i), syscall.S_IFREG|0o644, uint32(i), cred)
		if err != nil {
			t.Fatal(err)
		}
		m.fs.Forget(a.Ino, 1)
	}
	do(t, "list-long", m.Dir())
	got := m.Stats().Requests
	if got["lookup"]+got["getattr"] > 5 || got["readdir"] > 5 {
		t.Errorf("%d files, listed with their attributes twice: %v", listedLong, got)
	}
}

const listedLong = 40 // entries: the kernel asks for the attributes of the first page unseen

func childListLong(args []string) error {
	var c checks
	for range 2 {
		list, err := os.ReadDir(args[0])
		c.ok(err, "list")
		c.equal(len(list), listedLong, "entries")
		for _, e := range list {
			_, err := os.Lstat(filepath.Join(args[0], e.Name()))
			c.ok(err, "stat")
		}
	}
	return c.err()
}
