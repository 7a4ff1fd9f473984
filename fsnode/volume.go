package fsnode

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/btree"

	"pifs/blockstore"
	"pifs/blockstore/failpoint"
	"pifs/cache"
	"pifs/fsnode/session"
)

// VolumeKeys are the secrets of a volume.
type VolumeKeys struct {
	ID    [16]byte
	Read  [32]byte // opens heads
	Local [32]byte // seals this machine's database and journal
	Scope blockstore.Secret
}

// HeadLog keeps a volume's history: a signed chain, on this machine or on a
// ledger.
type HeadLog interface {
	// Append signs and chains h, filling Seq and Hash. Durable on return.
	Append(h HeadEntry) (HeadEntry, error)
	// Entries returns all heads, oldest first.
	Entries() ([]HeadEntry, error)
	// Forget notes that heads are not kept any more: their blocks may be
	// collected. Durable on return.
	Forget(seqs []uint64) error
	// Unname takes its name from a snapshot, which is then kept or forgotten
	// like other heads. Durable on return.
	Unname(seq uint64) error
}

// HeadEntry is one head of a volume as its log keeps it.
type HeadEntry struct {
	Seq      uint64
	Hash     [32]byte           // of the signed record
	Time     int64              // nanoseconds since the epoch
	Root     blockstore.Address // of the volume's root record
	Tree     []byte             // root refs, sealed under the read key
	Manifest []byte             // public root of the manifest
	Label    []byte             // sealed name, of a snapshot; nil when it was taken away

	Forgotten bool // its blocks may be gone
}

// Options say where a volume lives and what it stands on.
type Options struct {
	Dir        string // meta.db and journal/
	Name       string
	Keys       VolumeKeys
	Blocks     *cache.Blocks
	Heads      HeadLog
	Stripes    Stripes
	Space      Space // nil: as much as is wanted
	ReadOnly   bool
	FsyncSwarm bool  // fsync waits for full stripes, not for this disk only
	DirtyBytes int64 // fresh bytes held in memory; 0: 64 MiB
	CacheBytes int64 // metadata held in memory; 0: 96 MiB
	// VouchAtOnce is the size of meta.db up to which it is looked over before
	// Open returns, and not afterwards; 0: 64 MiB.
	VouchAtOnce int64
	CommitIdle  time.Duration // a head is committed this long after a change; 0: 30 s
	// Session, if set, is that of a daemon that is gone: the volume is opened
	// as that daemon had it. See BeginSession.
	Session *session.Memory
	// Changed, if set, is told of inodes that change without a request of the
	// kernel, so that its caches can be invalidated. It must not block.
	Changed func(Ino)
	// Renamed, if set, is told likewise of names that came or went.
	Renamed func(parent Ino, name string)
	Log     *slog.Logger
}

// Volume is one POSIX tree with its history. It is safe for concurrent use.
type Volume struct {
	o       Options
	sealer  *blockstore.Sealer
	db      *metaDB
	guard   *guard
	doubt   *doubt // of db, set once
	journal *cache.Journal
	budget  *cache.Budget

	mu      mutex
	inodes  map[Ino]*inode
	dents   map[dentKey]*dent
	refs    map[Ino]refs         // of what the kernel knows or a program has open: without pointers, for these are millions
	opens   map[Ino]*opens       // of what a program has open
	pinned  *btree.BTreeG[*dent] // dents that the database does not have yet
	pages   map[Ino]*page        // of directories that are being listed, or will be
	ahead   walk                 // who lists one directory after the other
	weight  int                  // bytes of inodes and dents, estimated
	evictAt int                  // weight at which to make room
	nextIno Ino
	count   volumeCount
	gen     uint64 // generation of changes being made
	saved   uint64 // every change of this generation or older is in the database

	pending  pendingRows       // changes since the last save began
	touched  map[Ino]*touchSet // by directory; since the last commit began
	touches  int               // names in touched
	cuts     uint64            // counts from 1 how often touched began anew
	fresh    map[Ino]struct{}  // inodes with fresh bytes
	queue    []Ino             // inodes to flush
	queued   map[Ino]flushKind
	wake     *sync.Cond // writers: budget fell; flush ended; save ended
	work     *sync.Cond // flushers: queue grew
	chunker  *blockstore.Chunker
	chunkers chan []byte    // what is being cut: a place for each flush or commit that may cut at a time
	buffers  chan []byte    // chunks on their way into blocks
	kick     chan struct{}  // the keeper is to look now
	flushes  int            // under way
	spoiled  map[Ino]uint64 // files whose content cannot be stored because parts are lost, and its version
	tallied  bool           // every file that is not inlined has a tally
	lostAll  bool           // the database was used before, and has nothing
	notice   string         // what Open did that people should know
	inUse    map[uint32]int // journal segments that reads and flushes under way need
	hoard    bool           // some journal records could not be accounted for: trim none
	loading  bool           // the database is being filled from a head: it has no count until it is whole
	holding  bool           // a commit waits for flushes to end: start none
	stopping bool
	litter   []Ino // roots of trees that a crash left unattached
	// namesBlocks says that extents not saved yet name blocks that may not be
	// durable yet.
	namesBlocks bool
	log         oplog
	failure     error // a save failed: writes answer EIO until one succeeds

	saveMu   sync.Mutex // one save at a time
	commitMu sync.Mutex // one commit at a time
	// history is held for reading by whoever makes what a head refers to part of
	// the live tree, and for writing to forget heads and to look at what is
	// needed. It is taken before commitMu.
	history  sync.RWMutex
	manifest manifestState
	views    *views
	lastSave time.Time
	changed  time.Time // of the first change that no head has
	ctx      context.Context
	cancel   context.CancelFunc
	tasks    sync.WaitGroup
}

// volumeCount is what statistics need of the whole volume, kept as it changes.
type volumeCount struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	NextIno Ino
	Inodes  uint64
	Bytes   uint64 // sum of the sizes of all files
}

// refs are the lookups of an inode by the kernel, which keep it alive when its
// last name goes. With the bit unsure there may be more of them.
type refs uint64

const unsure refs = 1 << 63

func (r refs) lookups() uint64 { return uint64(r &^ unsure) }

// opens are the uses of an inode by programs, which keep it alive too.
type opens struct {
	all     int
	writers int // of them
}

// Open opens the volume in o.Dir, creating it when there is nothing yet, and
// starts its background work: flushing, saving, committing. If the database is
// lost but heads exist, it is loaded again from the newest head.
func Open(ctx context.Context, o Options) (*Volume, error) {
	if o.DirtyBytes == 0 {
		o.DirtyBytes = 64 << 20
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = 96 << 20
	}
	if o.VouchAtOnce == 0 {
		o.VouchAtOnce = vouchAtOnce
	}
	if o.CommitIdle == 0 {
		o.CommitIdle = 30 * time.Second
	}
	if o.Space == nil {
		o.Space = &boundless{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if err := blockstore.MakeDir(o.Dir); err != nil {
		return nil, fmt.Errorf("open volume %s: %w", o.Name, err)
	}
	chunker, err := blockstore.NewChunker(o.Keys.Scope)
	if err != nil {
		return nil, fmt.Errorf("open volume %s: %w", o.Name, err)
	}
	v := &Volume{
		o: o, sealer: blockstore.NewSealer(o.Keys.Scope), chunker: chunker,
		inodes: map[Ino]*inode{}, dents: map[dentKey]*dent{}, refs: map[Ino]refs{}, opens: map[Ino]*opens{},
		pages: map[Ino]*page{}, pinned: btree.NewG(32, dentLess), touched: map[Ino]*touchSet{},
		fresh: map[Ino]struct{}{}, queued: map[Ino]flushKind{}, spoiled: map[Ino]uint64{}, inUse: map[uint32]int{}, gen: 1, cuts: 1,
	}
	v.wake, v.work = sync.NewCond(&v.mu), sync.NewCond(&v.mu)
	v.budget = cache.NewBudget(o.Space.Fresh())
	v.kick = make(chan struct{}, 1)
	v.ahead.kick = make(chan struct{}, 1)
	v.pending = newPendingRows()
	v.views = newViews(v)
	v.ctx, v.cancel = context.WithCancel(context.WithoutCancel(ctx))
	err = v.open(ctx)
	if err == nil {
		if !o.ReadOnly {
			v.log.mem = o.Session
		}
		v.start()
	}
	if err == nil && v.log.mem != nil {
		if err = v.resume(ctx); err != nil {
			v.stop()
		}
	}
	if err != nil {
		v.cancel()
		v.tasks.Wait()
		v.closeFiles()
		return nil, fmt.Errorf("open volume %s: %w", o.Name, err)
	}
	return v, nil
}

func (v *Volume) open(ctx context.Context) error {
	var err error
	if err := v.openGuarded(ctx); err != nil {
		return err
	}
	if v.journal, err = cache.OpenJournal(filepath.Join(v.o.Dir, "journal"), v.o.Keys.Local); err != nil {
		return err
	}
	found, err := v.db.value("count", &v.count)
	if err != nil {
		return err
	}
	if !found {
		return v.initialise(ctx)
	}
	if _, err := v.db.value("tallied", &v.tallied); err != nil {
		return err
	}
	v.nextIno = v.count.NextIno
	if err := v.manifest.load(v.db); err != nil {
		return err
	}
	return v.recover(ctx)
}

// initialise fills an empty database, or one whose filling was cut short: from
// the newest head if there is one.
func (v *Volume) initialise(ctx context.Context) error {
	if err := v.db.clear(ctx); err != nil {
		return err
	}
	v.tallied = true
	v.pending.kv["tallied"] = true
	heads, err := v.o.Heads.Entries()
	if err != nil {
		return err
	}
	if len(heads) > 0 {
		return v.reload(ctx, heads[len(heads)-1])
	}
	if v.lostAll {
		v.notice = fmt.Sprintf("the metadata of volume %s was lost before its first head: the volume is empty", v.o.Name)
		v.o.Log.Warn(v.notice)
	}
	now := TimeOf(time.Now())
	v.nextIno = RootIno + 1
	v.mu.Lock()
	root := &inode{ino: RootIno, complete: true}
	root.rec = record{Mode: modeDir | rootModeDf, Nlink: 2, UID: uint32(os.Getuid()), GID: uint32(os.Getgid()), Atime: now, Mtime: now, Ctime: now}
	v.inodes[RootIno] = root
	v.count.Inodes = 1
	v.change(root)
	v.mu.Unlock()
	return v.save(ctx)
}

// recover takes up what the last process left: orphans are removed, fresh
// bytes in the journal are queued for flushing, directories whose tree is
// behind are marked.
func (v *Volume) recover(ctx context.Context) error {
	dirty, err := v.db.integers(ctx, "SELECT ino FROM dirty")
	if err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, ino := range dirty {
		v.touched[ino] = &touchSet{all: true}
		v.changed = time.Now()
	}
	inos, err := v.db.integers(ctx, "SELECT DISTINCT ino FROM fresh")
	if err != nil {
		return err
	}
	for _, ino := range inos {
		in, err := v.inode(ino)
		if err == nil {
			_, err = v.loadContent(in)
		}
		if err != nil {
			v.o.Log.Error("recover fresh bytes", "inode", ino, "err", err)
			v.hoard = true
			continue
		}
		failpoint.Hit(failpoint.RecoverQueued)
		v.enqueue(in, flushAll)
	}
	orphans, err := v.db.integers(ctx, "SELECT ino FROM orphan")
	if err != nil {
		return err
	}
	for _, ino := range orphans {
		in, err := v.inode(ino)
		switch {
		case err != nil || in.rec.Nlink > 0:
		case v.o.Session != nil: // it may still be in use
		case in.rec.isDir() && in.rec.Size > 0:
			v.litter = append(v.litter, ino)
		default:
			v.destroy(in)
		}
	}
	return nil
}

// Close commits what is not in a head yet and closes the volume.
func (v *Volume) Close(ctx context.Context) error {
	var err error
	if !v.o.ReadOnly {
		if err = v.CommitOrKeep(ctx); err != nil {
			err = fmt.Errorf("close volume %s: %w", v.o.Name, err)
		}
	}
	v.stop()
	failpoint.Hit(failpoint.VolumeClosing)
	if e := v.closeFiles(); err == nil {
		err = e
	}
	return err
}

func (v *Volume) closeFiles() error {
	var err error
	v.budget.Leave()
	if v.journal != nil {
		err = v.journal.Close()
	}
	if v.db == nil {
		return errors.Join(err, v.doubt.close())
	}
	e := errors.Join(v.db.close(), v.doubt.close())
	switch {
	case v.guard == nil || v.guard.f == nil: // nothing was saved, so there is nothing new to vouch for
	case v.doubt.err != nil:
		e = errors.Join(e, v.guard.closeFile())
	default:
		e = errors.Join(e, v.guard.close(v.db, filepath.Join(v.o.Dir, metaFile)))
	}
	return errors.Join(err, e)
}

// Notice returns what Open did that people should know, or nothing.
func (v *Volume) Notice() string { return v.notice }

// NewKeys returns fresh random keys for a volume whose scope is given.
func NewKeys(scope blockstore.Secret) (VolumeKeys, error) {
	k := VolumeKeys{Scope: scope}
	for _, b := range [][]byte{k.ID[:], k.Read[:], k.Local[:]} {
		if _, err := rand.Read(b); err != nil {
			return k, fmt.Errorf("make volume keys: %w", err)
		}
	}
	return k, nil
}
