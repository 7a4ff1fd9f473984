package mount

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	"bazil.org/fuse"

	"pifs/fsnode"
	"pifs/fsnode/session"
)

const (
	readers         = 2 // one serves while the other reads
	defaultWorkers  = 16
	defaultDeadline = 5 * time.Minute
	defaultFSName   = "pifs"
	subtype         = "pifs"

	// longValid is how long the kernel may trust what it was told: everything
	// that changes a volume passes through the kernel, or is followed by an
	// invalidation. The read-only views change by themselves.
	longValid = time.Hour
	viewValid = time.Second

	endGrace = 10 * time.Second // for calls that wait when the mount ends
)

// Options say how to mount. The zero value is useful.
type Options struct {
	FSName     string        // what /proc/mounts shows as the source; default "pifs"
	ReadOnly   bool          // the kernel refuses every change
	AllowOther bool          // let users other than the mounting one in
	Deadline   time.Duration // when a request that is not answered becomes EIO; default 5 min
	Workers    int           // calls of each lane that may wait at once; default 16
	Logger     *slog.Logger  // default discards

	// Session, if set, keeps what a server that goes on with the mount needs.
	Session *session.Memory
}

func (o Options) withDefaults() Options {
	if o.FSName == "" {
		o.FSName = defaultFSName
	}
	if o.Deadline <= 0 {
		o.Deadline = defaultDeadline
	}
	if o.Workers <= 0 {
		o.Workers = defaultWorkers
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func (o Options) fuse() []fuse.MountOption {
	opts := []fuse.MountOption{
		fuse.FSName(o.FSName),
		fuse.Subtype(subtype),
		fuse.AsyncRead(),
		fuse.MaxReadahead(1 << 20),
		fuse.MaxBackground(64),
		fuse.HandleKillPriv(),
		fuse.CacheSymlinks(),
		fuse.LockingFlock(),
		fuse.LockingPOSIX(),
		fuse.DefaultPermissions(),
		readdirPlusOption(),
	}
	if o.ReadOnly {
		opts = append(opts, fuse.ReadOnly())
	}
	if o.AllowOther {
		opts = append(opts, fuse.AllowOther())
	}
	if os.Geteuid() == 0 {
		opts = append(opts, fuse.AllowDev(), fuse.AllowSUID())
	}
	return opts
}

// Server serves one mount.
type Server struct {
	dir  string
	fs   FS
	opts Options

	extended Extended // fs again, or nil if it is not
	labels   bool     // SELinux is in use
	log      *slog.Logger

	conn   *fuse.Conn
	dev    *device
	ctx    context.Context // ends with Serve
	cancel context.CancelFunc

	handles atomic.Uint64         // the last file handle given out
	applied map[uint64]fsnode.Ino // what the last server applied and may not have answered; never changes
	clock   atomic.Int64          // ticks of the watchdog
	naming  atomic.Bool           // an inode's name is waited for
	counts  counters

	reading lane // calls that wait for bytes
	writing lane // calls that wait for room or durability
	seeking lane // calls that wait for the kernel, which waits for the other two
	flight  flight
	locks   lockServer

	mu     sync.Mutex
	inline []*call       // one of each reader that is not stuck
	err    error         // why readers gave up
	idle   chan struct{} // closed when the last of inline is gone
}

// Mount mounts fs on the directory dir, which Preflight should have approved.
// It returns when the kernel and the server have agreed on the protocol; the
// caller then calls Serve, and the mount answers from then on. Values of ctx
// are passed on to fs; its cancellation cancels what waits, not the mount.
func Mount(ctx context.Context, dir string, fs FS, opts Options) (*Server, error) {
	opts = opts.withDefaults()
	if _, err := exec.LookPath("fusermount3"); err != nil {
		return nil, errors.New("mount: fusermount3 is not installed (Debian: apt-get install fuse3)")
	}
	if _, err := os.Stat("/dev/fuse"); err != nil {
		return nil, fmt.Errorf("mount: the kernel has no FUSE here: %w", err)
	}
	if opts.Session != nil {
		if err := makePresent(); err != nil {
			return nil, fmt.Errorf("mount %s: %w", dir, err)
		}
	}
	conn, err := fuse.Mount(dir, opts.fuse()...)
	if err != nil {
		return nil, fmt.Errorf("mount %s: %w", dir, err)
	}
	s, err := newServer(ctx, dir, conn, fs, opts)
	if err != nil {
		return nil, errors.Join(err, Unmount(dir, true), conn.Close())
	}
	if err := raiseReadahead(dir); err != nil {
		s.log.Debug("mount", "err", err)
	}
	return s, nil
}

// newServer returns the server of a connection that is initialised.
func newServer(ctx context.Context, dir string, conn *fuse.Conn, fs FS, opts Options) (*Server, error) {
	opts = opts.withDefaults()
	dev, err := deviceOf(conn)
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, fs: fs, opts: opts, log: opts.Logger, conn: conn, dev: dev, idle: make(chan struct{})}
	s.reading.workers, s.writing.workers, s.seeking.workers = opts.Workers, opts.Workers, opts.Workers
	s.extended, _ = fs.(Extended)
	s.labels = selinuxEnabled()
	s.locks.session = opts.Session
	if opts.Session != nil {
		// No server before this one gave out these handles.
		s.handles.Store(uint64(opts.Session.NewSlot()) << 32)
	}
	s.ctx, s.cancel = context.WithCancel(ctx)
	return s, nil
}

// Serve answers requests until the file system is unmounted, which includes
// that the last process that uses it after a lazy unmount leaves it. It
// returns nil then, and must be called once. Calls that still wait are
// cancelled.
func (s *Server) Serve() error {
	for range readers {
		s.addReader()
	}
	var watching sync.WaitGroup
	watching.Go(func() { s.watch(s.idle) })
	<-s.idle
	watching.Wait()
	s.cancel()
	grace := time.After(endGrace)
	s.reading.drain(grace)
	s.writing.drain(grace)
	s.seeking.drain(grace)
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.err, s.conn.Close(), s.dev.close())
}

// Dir is where the file system is mounted.
func (s *Server) Dir() string { return s.dir }

// Unmount unmounts. If processes use the file system it fails with EBUSY,
// unless lazy: then the name disappears at once and the rest when they leave.
func (s *Server) Unmount(lazy bool) error { return Unmount(s.dir, lazy) }

// InvalidateEntry makes the kernel forget what it knows of a name. The caller
// holds no lock that a method of FS takes.
func (s *Server) InvalidateEntry(parent fsnode.Ino, name string) error {
	err := s.conn.InvalidateEntry(fuse.NodeID(parent), name)
	if errors.Is(err, fuse.ErrNotCached) {
		return nil
	}
	return err
}

// InvalidateInode makes the kernel forget the attributes and the bytes, or
// the listing, of an inode. The caller holds no lock that a method of FS takes.
func (s *Server) InvalidateInode(ino fsnode.Ino) error {
	err := s.conn.InvalidateNode(fuse.NodeID(ino), 0, -1)
	if errors.Is(err, fuse.ErrNotCached) {
		return nil
	}
	return err
}
