package integration

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// world is what the folder of one writer holds: names, and the nodes that they
// lead to, several names to one where there are hard links.
type world struct {
	Names map[string]int // paths relative to the folder; parents are in it too
	Nodes map[int]*thing
	Next  int // node number to be given out
}

// thing is a file, folder or symbolic link.
type thing struct {
	Mode   os.FileMode // type and permissions
	Data   []byte      // a file's bytes, or a link's target
	Linked int         // names
}

func newWorld() *world { return &world{Names: map[string]int{}, Nodes: map[int]*thing{}, Next: 1} }

func (w *world) at(path string) *thing { return w.Nodes[w.Names[path]] }

// step is one system call that changes a world, or one sync, which does not.
type step struct {
	Op       string
	Path, To string
	Off      int64
	Data     []byte
	Mode     os.FileMode
}

func (s step) syncs() bool { return s.Op == "fsync" }

func (s step) String() string {
	return fmt.Sprintf("%s %s %s off %d len %d mode %o", s.Op, s.Path, s.To, s.Off, len(s.Data), s.Mode)
}

// apply does in the model what do does on a disk.
func (w *world) apply(s step) {
	switch s.Op {
	case "create", "mkdir", "symlink":
		w.Names[s.Path] = w.Next
		w.Nodes[w.Next] = &thing{Mode: s.Mode, Data: slices.Clone(s.Data), Linked: 1}
		w.Next++
	case "write":
		t := w.at(s.Path)
		if end := int(s.Off) + len(s.Data); end > len(t.Data) {
			t.Data = append(t.Data, make([]byte, end-len(t.Data))...)
		}
		copy(t.Data[s.Off:], s.Data)
	case "truncate":
		t := w.at(s.Path)
		if int(s.Off) > len(t.Data) {
			t.Data = append(t.Data, make([]byte, int(s.Off)-len(t.Data))...)
		}
		t.Data = t.Data[:s.Off]
	case "chmod":
		w.at(s.Path).Mode = s.Mode
	case "remove":
		w.drop(s.Path)
	case "link":
		w.Names[s.To] = w.Names[s.Path]
		w.at(s.To).Linked++
	case "rename":
		n := w.Names[s.Path]
		w.drop(s.To)
		delete(w.Names, s.Path)
		w.Names[s.To] = n
	}
}

func (w *world) drop(path string) {
	n, ok := w.Names[path]
	if !ok {
		return
	}
	delete(w.Names, path)
	if w.Nodes[n].Linked--; w.Nodes[n].Linked == 0 {
		delete(w.Nodes, n)
	}
}

// do is the system call on the folder root.
func (s step) do(root string) error {
	path, to := filepath.Join(root, s.Path), filepath.Join(root, s.To)
	switch s.Op {
	case "create":
		return within(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, func(*os.File) error { return nil })
	case "mkdir":
		return os.Mkdir(path, s.Mode.Perm())
	case "symlink":
		return os.Symlink(string(s.Data), path)
	case "write":
		return within(path, os.O_WRONLY, func(f *os.File) error {
			_, err := f.WriteAt(s.Data, s.Off)
			return err
		})
	case "truncate":
		return os.Truncate(path, s.Off)
	case "chmod":
		return os.Chmod(path, s.Mode.Perm())
	case "remove":
		return os.Remove(path)
	case "link":
		return os.Link(path, to)
	case "rename":
		return os.Rename(path, to)
	case "fsync":
		return syncPath(path)
	}
	return fmt.Errorf("no step %q", s.Op)
}

func within(path string, flags int, fn func(*os.File) error) error {
	f, err := os.OpenFile(path, flags, 0o644)
	if err != nil {
		return err
	}
	if err := fn(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// observe reads a folder into a world, with the inode numbers as node numbers.
func observe(root string) (*world, error) {
	w := newWorld()
	nlink := map[int]int{}
	err := filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		var st syscall.Stat_t
		if err := syscall.Lstat(path, &st); err != nil {
			return fmt.Errorf("lstat %s: %w", path, err)
		}
		n := int(st.Ino)
		nlink[n] = int(st.Nlink)
		w.Names[strings.TrimPrefix(path, root+"/")] = n
		if t := w.Nodes[n]; t != nil {
			t.Linked++
			return nil
		}
		t := &thing{Mode: e.Type() | os.FileMode(st.Mode&0o777), Linked: 1}
		w.Nodes[n] = t
		switch {
		case e.Type() == os.ModeSymlink:
			target, err := os.Readlink(path)
			t.Mode, t.Data = os.ModeSymlink, []byte(target)
			return err
		case e.Type().IsRegular():
			if t.Data, err = os.ReadFile(path); err == nil && int64(len(t.Data)) != st.Size {
				return fmt.Errorf("%s has %d bytes and a size of %d", path, len(t.Data), st.Size)
			}
			return err
		}
		return nil
	})
	for n, t := range w.Nodes {
		if !t.Mode.IsDir() && t.Linked != nlink[n] && err == nil {
			err = fmt.Errorf("inode %d has %d names and a link count of %d", n, t.Linked, nlink[n])
		}
	}
	return w, err
}

// difference says in one line what of have is not as in want; "" if all is.
func difference(have, want *world) string {
	for _, path := range slices.Sorted(maps.Keys(want.Names)) {
		if have.Names[path] == 0 {
			return path + " is missing"
		}
		if what := have.at(path).difference(want.at(path)); what != "" {
			return path + " " + what
		}
	}
	for _, path := range slices.Sorted(maps.Keys(have.Names)) {
		if want.Names[path] == 0 {
			return path + " should not be there"
		}
	}
	return ""
}

func (t *thing) difference(want *thing) string {
	switch {
	case t.Mode != want.Mode:
		return fmt.Sprintf("has mode %v, want %v", t.Mode, want.Mode)
	case t.Linked != want.Linked:
		return fmt.Sprintf("has %d names, want %d", t.Linked, want.Linked)
	case len(t.Data) != len(want.Data):
		return fmt.Sprintf("has %d bytes, want %d", len(t.Data), len(want.Data))
	case bytes.Equal(t.Data, want.Data):
		return ""
	}
	at := 0
	for t.Data[at] == want.Data[at] {
		at++
	}
	from := at / stampSize * stampSize
	to := min(from+stampSize, len(t.Data))
	return fmt.Sprintf("differs at %d: it reads %q, want %q", at, t.Data[from:to], want.Data[from:to])
}
