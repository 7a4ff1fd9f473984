package posix

import (
	"fmt"

	"golang.org/x/sys/unix"
)

func renameCases() []Case {
	return []Case{
		{"rename/matrix", renameMatrix},
		{"rename/itself", renameItself},
		{"rename/below itself", renameBelow},
		{"rename/dots and slashes", renameDots},
		{"rename/sticky", renameSticky},
		{"rename/permissions", renamePermissions},
		{"rename/flags", renameFlags},
		{"rename/exchange", renameExchange},
		{"rename/whiteout", renameWhiteout},
		{"rename/directory counts", renameCounts},
	}
}

// renameMatrix renames something of every kind over something of every kind.
func renameMatrix(t *T) {
	kinds := []string{"none", "file", "dir", "full", "link", "fifo"}
	makeOne := func(kind, name string) {
		switch kind {
		case "file":
			t.file(name, "bytes of "+name, 0o644)
		case "dir", "full":
			t.dir(name, 0o755)
			if kind == "full" {
				t.file(name+"/entry", "", 0o644)
			}
		case "link":
			t.must("symlink", unix.Symlink("nowhere", name))
		case "fifo":
			t.must("mkfifo", unix.Mkfifo(name, 0o644))
		}
	}
	for _, from := range kinds {
		for _, to := range kinds {
			a, b := from+"-"+to+"-a", from+"-"+to+"-b"
			makeOne(from, a)
			makeOne(to, b)
			t.do(fmt.Sprintf("rename %s over %s", from, to), unix.Rename(a, b))
			t.mode("old", a)
			t.mode("new", b)
		}
	}
	t.stat(".")
}

func renameItself(t *T) {
	t.file("f", "bytes", 0o644)
	t.must("link", unix.Link("f", "g"))
	t.do("onto itself", unix.Rename("f", "f"))
	t.do("onto another link of itself", unix.Rename("f", "g"))
	t.stat("f")
	t.stat("g")
	t.dir("d", 0o755)
	t.do("directory onto itself", unix.Rename("d", "d"))
	t.do("link into a directory", unix.Rename("f", "d/f"))
	t.do("over its own link", unix.Rename("g", "d/f"))
	t.stat("g")
	t.stat("d/f")
}

func renameBelow(t *T) {
	t.dir("a", 0o755)
	t.dir("a/b", 0o755)
	t.dir("a/b/c", 0o755)
	t.do("into itself", unix.Rename("a", "a/x"))
	t.do("into its subtree", unix.Rename("a", "a/b/c/x"))
	t.do("over a directory of its subtree", unix.Rename("a", "a/b"))
	t.do("over its parent", unix.Rename("a/b", "a"))
	t.do("over its grandparent", unix.Rename("a/b/c", "a"))
	t.do("sideways", unix.Rename("a/b/c", "c"))
	t.do("back", unix.Rename("a", "c/a"))
	t.do("into what was above", unix.Rename("c", "c/a/b/c"))
	t.stat("c")
	t.stat("c/a")
}

func renameDots(t *T) {
	t.dir("d", 0o755)
	t.dir("e", 0o755)
	t.file("f", "bytes", 0o644)
	for _, p := range [][2]string{
		{".", "x"}, {"d/.", "x"}, {"d/..", "x"}, {"d", "."}, {"d", ".."}, {"d", "e/."}, {"d", "e/.."},
		{"d/", "x"}, {"x/", "d"}, {"d", "y/"}, {"f/", "z"}, {"f", "z/"}, {"f", "d/"}, {"y", "f/"}, {"", "x"}, {"f", ""},
	} {
		t.do(fmt.Sprintf("rename %q %q", p[0], p[1]), unix.Rename(p[0], p[1]))
	}
	for _, p := range []string{".", "..", "e/.", "e/..", "/", "e/", "f/", "f", "none", "none/x", "f/x", ""} {
		t.do(fmt.Sprintf("rmdir %q", p), unix.Rmdir(p))
	}
	for _, p := range []string{".", "..", "y", "y/", "f/", "none/", "f/x", ""} {
		t.do(fmt.Sprintf("unlink %q", p), unix.Unlink(p))
	}
	for _, p := range []string{".", "..", "f", "f/", "new/", "none/new", "f/new", "/", ""} {
		t.do(fmt.Sprintf("mkdir %q", p), unix.Mkdir(p, 0o755))
	}
	for _, p := range []string{"f/", "s/", ".", ""} {
		t.do(fmt.Sprintf("symlink at %q", p), unix.Symlink("x", p))
		t.do(fmt.Sprintf("link at %q", p), unix.Link("f", p))
		t.do(fmt.Sprintf("mknod at %q", p), unix.Mknod(p, unix.S_IFIFO|0o644, 0))
	}
	t.do("link of f/", unix.Link("f/", "h"))
	t.stat("f/")
	t.stat("new/")
}

func renameSticky(t *T) {
	t.dir("s", 0o1777)
	for _, own := range []int{0, 1001, 1002} {
		name := fmt.Sprintf("s/of-%d", own)
		t.file(name, "", 0o666)
		t.must("chown", unix.Chown(name, own, own))
		t.dir(name+"-dir", 0o777)
		t.must("chown", unix.Chown(name+"-dir", own, own))
	}
	t.file("s/mine", "", 0o644)
	t.must("chown", unix.Chown("s/mine", 1001, 1001))
	t.as(1001, 1001, nil, func() {
		t.do("rename another's", unix.Rename("s/of-1002", "s/x"))
		t.do("rename over another's", unix.Rename("s/mine", "s/of-1002"))
		t.do("unlink another's", unix.Unlink("s/of-1002"))
		t.do("rmdir another's", unix.Rmdir("s/of-1002-dir"))
		t.do("unlink root's", unix.Unlink("s/of-0"))
		t.do("link another's", unix.Link("s/of-1002", "s/l"))
		t.do("rename own", unix.Rename("s/of-1001", "s/y"))
		t.do("unlink own", unix.Unlink("s/y"))
		t.do("rmdir own", unix.Rmdir("s/of-1001-dir"))
		t.do("chmod of the directory", unix.Chmod("s", 0o777))
	})
	t.must("chown", unix.Chown("s", 1001, 1001))
	t.as(1001, 1001, nil, func() { t.do("unlink as the directory's owner", unix.Unlink("s/of-1002")) })
	t.do("unlink as root", unix.Unlink("s/of-0"))
	t.stat("s")
}

func renamePermissions(t *T) {
	t.dir("open", 0o777)
	t.dir("closed", 0o755)
	t.file("open/f", "", 0o644)
	t.file("closed/f", "", 0o666)
	t.dir("open/roots", 0o755)
	t.dir("open/ours", 0o777)
	t.as(1001, 1001, nil, func() {
		t.do("out of a closed directory", unix.Rename("closed/f", "open/g"))
		t.do("into a closed directory", unix.Rename("open/f", "closed/g"))
		t.do("inside an open directory", unix.Rename("open/f", "open/h"))
		t.do("a directory that is not writable", unix.Rename("open/roots", "open/ours/x"))
		t.do("the same within its directory", unix.Rename("open/roots", "open/renamed"))
	})
}

func renameFlags(t *T) {
	t.file("a", "a", 0o644)
	t.file("b", "b", 0o644)
	rename := func(what, from, to string, flags uint) {
		t.do(what, unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, flags))
	}
	rename("noreplace over a file", "a", "b", unix.RENAME_NOREPLACE)
	t.content("b")
	rename("noreplace", "a", "c", unix.RENAME_NOREPLACE)
	rename("noreplace onto itself", "b", "b", unix.RENAME_NOREPLACE)
	rename("noreplace of nothing", "x", "y", unix.RENAME_NOREPLACE)
	rename("exchange and noreplace", "b", "c", unix.RENAME_EXCHANGE|unix.RENAME_NOREPLACE)
	rename("exchange and whiteout", "b", "c", unix.RENAME_EXCHANGE|unix.RENAME_WHITEOUT)
	rename("unknown flag", "b", "c", 1<<10)
	rename("exchange with nothing", "b", "x", unix.RENAME_EXCHANGE)
	t.stat("b")
	t.stat("c")
	t.stat("x")
}

func renameExchange(t *T) {
	exchange := func(what, a, b string) {
		t.do("exchange "+what, unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE))
	}
	t.file("f", "file f", 0o644)
	t.file("g", "file g", 0o600)
	t.dir("d", 0o755)
	t.dir("d/e", 0o755)
	t.file("d/e/x", "x", 0o644)
	exchange("two files", "f", "g")
	t.content("f")
	t.content("g")
	exchange("itself", "f", "f")
	exchange("file and full directory", "f", "d/e")
	t.stat(".")
	t.stat("d")
	t.content("f/x")
	t.content("d/e")
	exchange("with its own subtree", "d", "d/e")
	exchange("with a directory above", "d/e", "d")
	t.dir("p", 0o755)
	t.dir("p/q", 0o755)
	t.dir("r", 0o755)
	exchange("directories of two parents", "p/q", "r")
	t.stat("p")
	t.stat("r/..")
	t.must("link", unix.Link("g", "h"))
	exchange("two links of one file", "g", "h")
	t.stat("g")
	t.dir("s", 0o1777)
	t.file("s/root's", "", 0o666)
	t.file("s/mine", "", 0o666)
	t.must("chown", unix.Chown("s/mine", 1001, 1001))
	t.as(1001, 1001, nil, func() { exchange("with another's in a sticky directory", "s/mine", "s/root's") })
}

// renameWhiteout: overlayfs needs it of a file system that it writes to.
func renameWhiteout(t *T) {
	whiteout := func(what, from, to string, flags uint) {
		t.do(what, unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_WHITEOUT|flags))
		t.stat(from)
		t.stat(to)
	}
	t.file("f", "bytes", 0o644)
	t.file("g", "others", 0o644)
	t.dir("d", 0o755)
	t.dir("s", 0o2777)
	whiteout("to a new name", "f", "h", 0)
	t.content("h")
	whiteout("over a file", "h", "g", 0)
	t.content("g")
	whiteout("without replacing", "g", "h", unix.RENAME_NOREPLACE)
	whiteout("of a directory into another", "d", "s/d", 0)
	t.stat(".")
	t.as(1001, 1001, nil, func() {
		t.file("s/mine", "", 0o644)
		whiteout("by another user, in a directory with setgid", "s/mine", "s/still mine", 0)
		t.do("removing it", unix.Unlink("s/mine"))
	})
	t.stat("s")
	t.must("link", unix.Link("g", "k"))
	whiteout("over another name of the same file", "g", "k", 0)
	whiteout("of a whiteout", "f", "e", 0)
}

func renameCounts(t *T) {
	t.dir("a", 0o755)
	t.dir("b", 0o755)
	t.dir("a/c", 0o755)
	t.dir("a/d", 0o755)
	t.stat("a")
	t.must("rename", unix.Rename("a/c", "b/c"))
	t.stat("a")
	t.stat("b")
	t.must("rename", unix.Rename("a/d", "b/c")) // replaces an empty one
	t.stat("a")
	t.stat("b")
	t.must("rmdir", unix.Rmdir("b/c"))
	t.stat("b")
	t.stat(".")
}
