package posix

import (
	"fmt"

	"golang.org/x/sys/unix"
)

func specialCases() []Case {
	return []Case{
		{"special/fifo", specialFifo},
		{"special/socket", specialSocket},
		{"special/devices", specialDevices},
		{"special/mknod", specialMknod},
		{"special/ioctl", specialIoctl},
	}
}

func specialFifo(t *T) {
	t.do("mkfifo", unix.Mkfifo("p", 0o640))
	t.stat("p")
	t.opens("p", unix.O_WRONLY|unix.O_NONBLOCK, 0)
	r := t.open("p", unix.O_RDONLY|unix.O_NONBLOCK, 0)
	w := t.open("p", unix.O_WRONLY|unix.O_NONBLOCK, 0)
	t.write(w, "through the fifo")
	p := make([]byte, 100)
	n, err := unix.Read(r, p)
	t.note("read", errName(err), string(p[:max(n, 0)]))
	t.do("unlink", unix.Unlink("p"))
	t.write(w, "still")
	n, err = unix.Read(r, p)
	t.note("read", errName(err), string(p[:max(n, 0)]))
	t.fstat(r)
	unix.Close(r)
	unix.Close(w)
}

func specialSocket(t *T) {
	l, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	t.must("make a socket", err)
	t.do("bind", unix.Bind(l, &unix.SockaddrUnix{Name: "s"}))
	t.stat("s")
	t.do("listen", unix.Listen(l, 1))
	c, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	t.must("make a socket", err)
	t.do("connect", unix.Connect(c, &unix.SockaddrUnix{Name: "s"}))
	a, _, err := unix.Accept(l)
	t.do("accept", err)
	t.write(c, "through the socket")
	p := make([]byte, 100)
	n, err := unix.Read(a, p)
	t.note("read", errName(err), string(p[:max(n, 0)]))
	t.opens("s", unix.O_RDONLY, 0)
	again, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	t.must("make a socket", err)
	t.do("bind again", unix.Bind(again, &unix.SockaddrUnix{Name: "s"}))
	for _, fd := range []int{l, c, a} {
		unix.Close(fd)
	}
	t.do("connect to nobody", unix.Connect(again, &unix.SockaddrUnix{Name: "s"}))
	unix.Close(again)
	t.do("unlink", unix.Unlink("s"))
}

func specialDevices(t *T) {
	t.do("mknod c", unix.Mknod("null", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
	t.do("mknod b", unix.Mknod("b", unix.S_IFBLK|0o600, int(unix.Mkdev(259, 70_000))))
	t.do("mknod of none", unix.Mknod("gone", unix.S_IFCHR|0o600, int(unix.Mkdev(240, 3))))
	t.stat("null")
	t.stat("b")
	fd := t.open("null", unix.O_RDWR, 0)
	t.write(fd, "into nothing")
	t.pread(fd, 10, 0)
	unix.Close(fd)
	t.opens("gone", unix.O_RDWR, 0)
	t.must("mknod", unix.Mknod("full", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 7))))
	fd = t.open("full", unix.O_WRONLY, 0)
	t.write(fd, "no room")
	unix.Close(fd)
}

func specialMknod(t *T) {
	for _, c := range []struct {
		what string
		mode uint32
	}{{"file", unix.S_IFREG | 0o644}, {"no type", 0o644}, {"directory", unix.S_IFDIR | 0o755}, {"symlink", unix.S_IFLNK | 0o777}, {"socket", unix.S_IFSOCK | 0o644}, {"bad type", 0o170000}} {
		t.do("mknod "+c.what, unix.Mknod(c.what, c.mode, 0))
		t.stat(c.what)
	}
	t.do("mknod of what exists", unix.Mknod("file", unix.S_IFREG|0o644, 0))
	t.do("mknod below nothing", unix.Mknod("none/x", unix.S_IFREG|0o644, 0))
}

func specialIoctl(t *T) {
	t.file("f", "some bytes", 0o644)
	fd := t.fd("f", unix.O_RDWR)
	defer unix.Close(fd)
	_, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	t.do("is it a terminal", err)
	n, err := unix.IoctlGetInt(fd, 0x541B) // FIONREAD
	t.note("bytes to read", n, errName(err))
	var p []unix.PollFd
	p = append(p, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN | unix.POLLOUT})
	k, err := unix.Poll(p, 1000)
	t.note("poll", k, fmt.Sprintf("%#x", p[0].Revents), errName(err))
}
