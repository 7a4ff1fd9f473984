package member

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"pifs/blockstore"
	"pifs/swarm"
)

// ErrNoSwarm means that a folder has no book: its home has joined no swarm.
var ErrNoSwarm = errors.New("no swarm")

var errFrozen = errors.New("the book is open for reading only")

// Forward asks another member to make a change, and returns the record that it
// answers with, which is not verified yet. to is the founder's node.
type Forward func(ctx context.Context, to swarm.MemberID, c Change) (*Record, error)

// Clock returns the time in Unix seconds.
type Clock func() int64

// Book is a member's durable knowledge of its swarm. It implements Directory,
// and is safe for concurrent use. One process at a time may have a folder open.
type Book struct {
	dir     string
	genesis Genesis
	swarm   SwarmID
	founder *Founder // nil unless the founder's key is here
	now     Clock
	frozen  bool // opened to look at only

	mu       sync.Mutex
	forward  Forward
	register *Register // of the founder
	cur      *Record
	changed  chan struct{}
	evidence []Evidence
}

var _ Directory = (*Book)(nil)

// CreateBook begins a swarm whose founder's key is key and whose one member is
// first. Everything is durable on return; until then dir has no book.
func CreateBook(dir string, f *Founder, first Entry, now Clock) (*Book, error) {
	rec, err := f.First(first, now())
	if err != nil {
		return nil, fmt.Errorf("create swarm: %w", err)
	}
	if err := refuseBook(dir); err != nil {
		return nil, err
	}
	if err := swarm.ReplaceFile(filepath.Join(dir, founderFile), formatFounder(f.Key)); err != nil {
		return nil, fmt.Errorf("create swarm: %w", err)
	}
	if err := swarm.ReplaceFile(filepath.Join(dir, founderFile+copySuffix), formatFounder(f.Key)); err != nil {
		return nil, fmt.Errorf("create swarm: %w", err)
	}
	reg, err := marshalRegister(NewRegister())
	if err != nil {
		return nil, err
	}
	if err := save(dir, registerFile, reg); err != nil {
		return nil, err
	}
	if err := writeBook(dir, f.Genesis, rec); err != nil {
		return nil, err
	}
	return OpenBook(dir, now)
}

// AdoptBook begins the book of a newcomer, with the record that it is in.
func AdoptBook(dir string, g Genesis, rec *Record, now Clock) (*Book, error) {
	if err := rec.Verify(g, nil); err != nil {
		return nil, fmt.Errorf("adopt swarm: %w", err)
	}
	if err := refuseBook(dir); err != nil {
		return nil, err
	}
	if err := writeBook(dir, g, rec); err != nil {
		return nil, err
	}
	return OpenBook(dir, now)
}

func refuseBook(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, genesisFile)); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s has a swarm already: %w", dir, fs.ErrExist)
	}
	return nil
}

// writeBook writes what every member has. The genesis comes last: a folder that
// has one is complete.
func writeBook(dir string, g Genesis, rec *Record) error {
	raw, err := MarshalRecord(rec)
	if err != nil {
		return err
	}
	if err := save(dir, recordFile, raw); err != nil {
		return err
	}
	if raw, err = blockstore.Marshal(&g); err != nil {
		return fmt.Errorf("encode genesis: %w", err)
	}
	return save(dir, genesisFile, raw)
}

// OpenBook opens the book in dir: ErrNoSwarm if there is none.
func OpenBook(dir string, now Clock) (*Book, error) { return openBook(dir, now, false) }

// ReadBook opens a book to look at it, whoever has it open. It takes no records
// and makes no changes.
func ReadBook(dir string) (*Book, error) { return openBook(dir, nil, true) }

func openBook(dir string, now Clock, frozen bool) (*Book, error) {
	b := &Book{dir: dir, now: now, frozen: frozen, changed: make(chan struct{})}
	if err := b.open(); err != nil {
		return nil, fmt.Errorf("open swarm %s: %w", dir, err)
	}
	return b, nil
}

func (b *Book) open() error {
	raw, err := load(b.dir, genesisFile, maxGenesis, !b.frozen)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", ErrNoSwarm, err)
	}
	if err != nil {
		return err
	}
	if b.genesis, err = UnmarshalGenesis(raw); err != nil {
		return err
	}
	if b.swarm, err = b.genesis.ID(); err != nil {
		return err
	}
	if raw, err = load(b.dir, recordFile, MaxRecord, !b.frozen); err != nil {
		return err
	}
	if b.cur, err = UnmarshalRecord(raw); err != nil {
		return err
	}
	// The members' own signatures were checked when the record was taken, and
	// the founder's covers them all.
	if err := b.cur.verifyFounder(b.genesis); err != nil {
		return err
	}
	if err := b.openEvidence(); err != nil {
		return err
	}
	return b.openFounder()
}

func (b *Book) openEvidence() error {
	raw, err := load(b.dir, evidenceFile, maxEvidenceBytes, !b.frozen)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := blockstore.Unmarshal(raw, &b.evidence); err != nil {
		return fmt.Errorf("decode evidence: %w", err)
	}
	return nil
}

// openFounder reads what only the founder's home has.
func (b *Book) openFounder() error {
	key, err := loadFounder(b.dir, b.genesis)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	raw, err := load(b.dir, registerFile, maxRegister, !b.frozen)
	if err != nil {
		return err
	}
	if b.register, err = unmarshalRegister(raw); err != nil {
		return err
	}
	b.founder = &Founder{Genesis: b.genesis, Key: key}
	return nil
}

// loadFounder reads the founder's key, or its copy.
func loadFounder(dir string, g Genesis) (ed25519.PrivateKey, error) {
	var first error
	for _, name := range []string{founderFile, founderFile + copySuffix} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		var key ed25519.PrivateKey
		if err == nil {
			key, err = parseFounder(text)
		}
		if err == nil && [32]byte(key.Public().(ed25519.PublicKey)) != g.Founder {
			err = fmt.Errorf("%w: the key of another founder", blockstore.ErrCorrupt)
		}
		if err == nil {
			return key, nil
		}
		if first == nil || errors.Is(first, fs.ErrNotExist) {
			first = fmt.Errorf("read founder's key: %w", err)
		}
	}
	return nil, first
}

// Genesis returns what swarm this is.
func (b *Book) Genesis() Genesis { return b.genesis }

// ID returns the id of the swarm.
func (b *Book) ID() SwarmID { return b.swarm }

// Founder returns the founder's key if it is here, else nil.
func (b *Book) Founder() *Founder { return b.founder }

// ForwardBy says how changes reach the founder's node from here.
func (b *Book) ForwardBy(f Forward) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forward = f
}

// Current implements Directory.
func (b *Book) Current() *Record {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cur
}

// Changed implements Directory.
func (b *Book) Changed() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.changed
}

// Evidence returns what convicts the founder of having signed two histories.
func (b *Book) Evidence() []Evidence {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.evidence
}

// Submit implements Directory.
func (b *Book) Submit(ctx context.Context, c Change) error {
	if b.founder != nil {
		return b.extend(c)
	}
	b.mu.Lock()
	to, forward := b.cur.Header.Founder, b.forward
	b.mu.Unlock()
	if forward == nil {
		return fmt.Errorf("submit change: the founder's node cannot be asked from here: %w", swarm.ErrUnreachable)
	}
	rec, err := forward(ctx, to, c)
	if err != nil {
		return fmt.Errorf("submit change: %w", err)
	}
	_, err = b.Receive(rec)
	return err
}

// extend makes a change by the founder's key.
func (b *Book) extend(c Change) error {
	if b.frozen {
		return errFrozen
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	reg, rec, err := b.founder.Extend(b.register, b.cur, c, b.now())
	if err != nil || rec == b.cur {
		return err
	}
	raw, err := marshalRegister(reg)
	if err != nil {
		return err
	}
	if err := save(b.dir, registerFile, raw); err != nil {
		return err
	}
	b.register = reg
	return b.take(rec)
}

// Receive takes a record that another member sent, if it is newer than the
// current one; changed tells whether it was. What contradicts the current one
// is kept as evidence, durably.
func (b *Book) Receive(rec *Record) (changed bool, err error) {
	cur := b.Current()
	if rec.Header.Epoch < cur.Header.Epoch || rec.Header == cur.Header {
		return false, nil
	}
	if err := rec.Verify(b.genesis, cur); err != nil {
		return false, fmt.Errorf("receive record: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.compare(rec.Header); err != nil {
		return false, err
	}
	if rec.Header.Epoch <= b.cur.Header.Epoch {
		return false, nil
	}
	return true, b.take(rec)
}

// Witness looks at the header of somebody else's record, for what contradicts
// the current one.
func (b *Book) Witness(h Header) error {
	if err := h.Verify(b.genesis); err != nil {
		return fmt.Errorf("look at header: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.compare(h)
}

// compare keeps h and the current header if they contradict each other. The
// caller has verified h, and holds the lock.
func (b *Book) compare(h Header) error {
	if b.frozen {
		return errFrozen
	}
	bad, err := contradiction(b.cur.Header, h)
	if err != nil || !bad || len(b.evidence) >= maxEvidence {
		return err
	}
	for _, e := range b.evidence {
		if e.A == b.cur.Header && e.B == h {
			return nil
		}
	}
	more := append(b.evidence[:len(b.evidence):len(b.evidence)], Evidence{A: b.cur.Header, B: h})
	raw, err := blockstore.Marshal(more)
	if err != nil {
		return fmt.Errorf("encode evidence: %w", err)
	}
	if err := save(b.dir, evidenceFile, raw); err != nil {
		return err
	}
	b.evidence = more
	return nil
}

// take makes rec the current record, durably. The caller holds the lock.
func (b *Book) take(rec *Record) error {
	if b.frozen {
		return errFrozen
	}
	raw, err := MarshalRecord(rec)
	if err != nil {
		return err
	}
	if err := save(b.dir, recordFile, raw); err != nil {
		return err
	}
	b.cur = rec
	close(b.changed)
	b.changed = make(chan struct{})
	return nil
}
