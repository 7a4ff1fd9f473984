package hold

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	ownProgram = "/proc/self/exe" // the holder's: it works even if its file was replaced

	quick        = 200 * time.Millisecond // a daemon that dies sooner may have been killed by a request
	maxQuick     = 20                     // such deaths in a row before giving up
	maxFailures  = 10                     // daemons in a row that never served
	pause        = 100 * time.Millisecond // after a death that may repeat itself
	freeAttempts = 3                      // quick deaths without a pause
)

// Options say what the holder starts.
type Options struct {
	Exe   string                    // the program
	Args  func(first bool) []string // of a daemon: it gets the link as descriptor 4
	Stdin []byte                    // for each daemon
	Ready *os.File                  // descriptor 3 of the first daemon; Run closes it
	Log   *slog.Logger
	Mount func(item string) bool // whether an item is a mount, and not just something to go with one
}

// holder is the state of Run.
type holder struct {
	o       Options
	items   []Item
	exe     string   // to be started next
	proven  *os.File // the program of the last daemon that served; nil: none did
	daemon  *exec.Cmd
	ended   bool // the daemon said that it ends
	next    bool // it was told to make room for another program
	serving time.Time

	takeovers int // daemons that served after another died

	quickDeaths, failures int
}

// Run starts a daemon, and another whenever one dies that leaves mounts. It
// returns when a daemon ended regularly, or left none, or when it gives up.
// SIGTERM and SIGINT are passed on to the daemon.
func Run(o Options) error {
	h := &holder{o: o, exe: o.Exe}
	defer h.close()
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)
	for first := true; ; first = false {
		err := h.generation(first, signals)
		if h.ended || !h.mounts() {
			return err
		}
		if !h.again(err) {
			h.o.Log.Warn("daemons keep dying: the holder gives up, and its mounts are lost")
			return fmt.Errorf("daemons keep dying, the last with: %w", err)
		}
	}
}

func (h *holder) close() {
	for _, it := range h.items {
		closeAll(it.Files)
	}
	if h.proven != nil {
		h.proven.Close()
	}
}

func (h *holder) mounts() bool {
	for _, it := range h.items {
		if h.o.Mount(it.Name) {
			return true
		}
	}
	return false
}

// generation runs one daemon to its end.
func (h *holder) generation(first bool, signals <-chan os.Signal) error {
	h.serving, h.ended, h.next = time.Time{}, false, false
	c, err := h.start(first)
	if err != nil {
		return err
	}
	defer c.Close()
	done := make(chan struct{})
	defer close(done)
	go func() {
		for {
			select {
			case s := <-signals:
				_ = h.daemon.Process.Signal(s) // it may have ended just now
			case <-done:
				return
			}
		}
	}()
	for _, it := range h.items {
		if err = send(c, message{Verb: verbKeep, Name: it.Name, Note: it.Note}, it.Files); err != nil {
			break
		}
	}
	if err == nil {
		after := h.takeovers
		if !first {
			after++
		}
		err = send(c, message{Verb: verbGo, Holder: os.Getpid(), Takeovers: after}, nil)
	}
	h.listen(c)
	if !first && !h.serving.IsZero() {
		h.takeovers++
	}
	return errors.Join(err, h.daemon.Wait())
}

// start starts a daemon and returns the holder's end of the link.
func (h *holder) start(first bool) (*net.UnixConn, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("start daemon: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "link"), os.NewFile(uintptr(fds[1]), "link")
	defer theirs.Close()
	defer ours.Close()
	ready := h.o.Ready
	if !first {
		if ready, err = os.OpenFile(os.DevNull, os.O_RDWR, 0); err != nil {
			return nil, fmt.Errorf("start daemon: %w", err)
		}
	}
	defer ready.Close()
	h.daemon = exec.Command(h.exe, h.o.Args(first)...)
	h.daemon.Dir = "/"
	h.daemon.Stdin = bytes.NewReader(h.o.Stdin)
	h.daemon.ExtraFiles = []*os.File{ready, theirs}
	c, err := net.FileConn(ours)
	if err != nil {
		return nil, fmt.Errorf("start daemon: %w", err)
	}
	if err := h.daemon.Start(); err != nil {
		c.Close()
		return nil, fmt.Errorf("start daemon: %w", err)
	}
	return c.(*net.UnixConn), nil
}

// listen does what the daemon asks for until it is gone.
func (h *holder) listen(c *net.UnixConn) {
	for {
		m, files, err := receive(c)
		if err != nil {
			return
		}
		switch m.Verb {
		case verbKeep:
			h.drop(m.Name)
			h.items = append(h.items, Item{Name: m.Name, Note: m.Note, Files: files})
			files = nil
		case verbDrop:
			h.drop(m.Name)
		case verbServing:
			h.serving = time.Now()
			h.prove()
		case verbEnd:
			h.ended = true
		case verbNext:
			h.exe, h.next = m.Path, true
		}
		closeAll(files)
	}
}

// prove keeps the program of the daemon that serves now, whatever becomes of
// its file, as the one to start again when it dies.
func (h *holder) prove() {
	f, err := os.Open(fmt.Sprintf("/proc/%d/exe", h.daemon.Process.Pid))
	if err != nil {
		return // it died: the program before it, or the holder's own, goes on
	}
	if h.proven != nil {
		h.proven.Close()
	}
	h.proven = f
	h.exe = h.provenPath()
}

// provenPath names the open program so that a child with other descriptors
// finds it too.
func (h *holder) provenPath() string {
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), h.proven.Fd())
}

func (h *holder) drop(name string) {
	for i, it := range h.items {
		if it.Name == name {
			closeAll(it.Files)
			h.items = append(h.items[:i], h.items[i+1:]...)
			return
		}
	}
}

// again decides whether to start another daemon after one died with err, and
// waits before it if the death looks like one that repeats itself.
func (h *holder) again(err error) bool {
	if h.next {
		h.o.Log.Info("the daemon made room for another program", "program", h.exe, "err", err)
		return true
	}
	h.o.Log.Warn("the daemon died, and another goes on", "err", err, "served", !h.serving.IsZero())
	if h.serving.IsZero() {
		h.failures++
		h.exe = ownProgram
		if h.proven != nil && h.failures <= maxFailures/2 {
			h.exe = h.provenPath()
		}
		time.Sleep(pause * time.Duration(h.failures))
		return h.failures < maxFailures
	}
	h.failures = 0
	if time.Since(h.serving) > quick {
		h.quickDeaths = 0
		return true
	}
	if h.quickDeaths++; h.quickDeaths > freeAttempts {
		time.Sleep(pause)
	}
	return h.quickDeaths < maxQuick
}
