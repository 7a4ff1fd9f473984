package member

import (
	"crypto/ed25519"
	"fmt"
	"slices"
	"strings"

	"github.com/zeebo/blake3"

	"pifs/blockstore"
	"pifs/swarm"
)

const (
	headerVersion  = 1
	headerContext  = "pifs 2026-11 member header v1"
	entriesContext = "pifs 2026-11 member entries v1"

	// MaxMembers is the most entries that a record has.
	MaxMembers = 16384

	// MaxRecord is the largest encoded record in bytes: the founder extends it
	// no further. 16,384 usual entries take a third of it.
	MaxRecord = 15 << 20
)

// Hash is the name of a header, or of what it commits to.
type Hash [32]byte

// Header is what the founder signs of a record.
type Header struct {
	_struct bool           `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Version uint8          // of this record
	Swarm   SwarmID        // whose record it is
	Epoch   uint64         // 1 for the first, then one more with each change
	Prev    Hash           // of the header before, zero in the first
	Time    int64          // Unix seconds, for people
	Founder swarm.MemberID // the member that changes are sent to
	Count   uint32         // of entries
	Entries Hash           // of their encoding
	Sig     [64]byte       // by the founder, over the rest
}

// Record is who belongs to a swarm in one epoch. It is not changed once it is
// made.
type Record struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Header  Header
	Entries []Entry // sorted by ID, each once
}

// unsigned returns h without its signature.
func (h Header) unsigned() *Header {
	h.Sig = [64]byte{}
	return &h
}

// Hash returns the name by which the next header refers to h. It does not cover
// the signature, which its maker could vary without saying anything else.
func (h Header) Hash() (sum Hash, err error) {
	b, err := blockstore.Marshal(h.unsigned())
	if err != nil {
		return sum, fmt.Errorf("encode header: %w", err)
	}
	blake3.DeriveKey(headerContext, b, sum[:])
	return sum, nil
}

// Verify checks that the founder of g signed h.
func (h Header) Verify(g Genesis) error {
	id, err := g.ID()
	if err != nil {
		return err
	}
	switch {
	case h.Version != headerVersion || h.Epoch == 0 || h.Count == 0 || h.Count > MaxMembers:
		return fmt.Errorf("verify record: version %d, epoch %d, %d entries: %w", h.Version, h.Epoch, h.Count, blockstore.ErrFormat)
	case h.Swarm != id:
		return fmt.Errorf("verify record: %w: of another swarm", blockstore.ErrCorrupt)
	}
	if err := verify(g.Founder[:], h.Sig[:], recordDomain, id, h.unsigned()); err != nil {
		return fmt.Errorf("verify record %d: %w", h.Epoch, err)
	}
	return nil
}

func hashEntries(entries []Entry) (sum Hash, err error) {
	b, err := blockstore.Marshal(entries)
	if err != nil {
		return sum, fmt.Errorf("encode entries: %w", err)
	}
	blake3.DeriveKey(entriesContext, b, sum[:])
	return sum, nil
}

// Verify checks everything that r says: the founder's signature and every
// member's. Entries that known has too, which may be nil and was verified, are
// not verified again.
func (r *Record) Verify(g Genesis, known *Record) error {
	if err := r.verifyFounder(g); err != nil {
		return err
	}
	for i := range r.Entries {
		e := &r.Entries[i]
		if i > 0 && r.Entries[i-1].ID >= e.ID {
			return fmt.Errorf("verify record %d: entries are out of order: %w", r.Header.Epoch, blockstore.ErrFormat)
		}
		if have, ok := known.Find(e.ID); ok && have.equal(e) {
			continue
		}
		if err := e.Verify(r.Header.Swarm); err != nil {
			return fmt.Errorf("verify record %d: %w", r.Header.Epoch, err)
		}
	}
	return nil
}

// verifyFounder checks that the founder signed these entries.
func (r *Record) verifyFounder(g Genesis) error {
	if err := r.Header.Verify(g); err != nil {
		return err
	}
	if uint32(len(r.Entries)) != r.Header.Count {
		return fmt.Errorf("verify record %d: %w: %d entries of %d", r.Header.Epoch, blockstore.ErrCorrupt, len(r.Entries), r.Header.Count)
	}
	sum, err := hashEntries(r.Entries)
	if err != nil {
		return err
	}
	if sum != r.Header.Entries {
		return fmt.Errorf("verify record %d: %w: other entries than the founder signed", r.Header.Epoch, blockstore.ErrCorrupt)
	}
	return nil
}

// Find returns the entry of a member. A nil record has none.
func (r *Record) Find(id swarm.MemberID) (*Entry, bool) {
	if r == nil {
		return nil, false
	}
	i, ok := slices.BinarySearchFunc(r.Entries, id, func(e Entry, id swarm.MemberID) int {
		return strings.Compare(string(e.ID), string(id))
	})
	if !ok {
		return nil, false
	}
	return &r.Entries[i], true
}

// MarshalRecord returns the canonical encoding.
func MarshalRecord(r *Record) ([]byte, error) {
	b, err := blockstore.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode record %d: %w", r.Header.Epoch, err)
	}
	if len(b) > MaxRecord {
		return nil, fmt.Errorf("encode record %d of %d bytes: %w", r.Header.Epoch, len(b), blockstore.ErrTooLarge)
	}
	return b, nil
}

// UnmarshalRecord decodes a record, which the caller verifies.
func UnmarshalRecord(b []byte) (*Record, error) {
	if len(b) > MaxRecord {
		return nil, fmt.Errorf("decode record of %d bytes: %w", len(b), blockstore.ErrTooLarge)
	}
	r := new(Record)
	if err := blockstore.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("decode record: %w", err)
	}
	return r, nil
}

// newRecord returns the record that follows prev, which is nil for the first,
// signed by the founder's key.
func newRecord(in SwarmID, key ed25519.PrivateKey, prev *Record, founder swarm.MemberID, entries []Entry, now int64) (r *Record, err error) {
	h := Header{Version: headerVersion, Swarm: in, Epoch: 1, Time: now, Founder: founder, Count: uint32(len(entries))}
	if prev != nil {
		h.Epoch = prev.Header.Epoch + 1
		if h.Prev, err = prev.Header.Hash(); err != nil {
			return nil, err
		}
	}
	if h.Entries, err = hashEntries(entries); err != nil {
		return nil, err
	}
	if h.Sig, err = sign(key, recordDomain, in, h.unsigned()); err != nil {
		return nil, fmt.Errorf("sign record %d: %w", h.Epoch, err)
	}
	r = &Record{Header: h, Entries: entries}
	if _, err := MarshalRecord(r); err != nil {
		return nil, err
	}
	return r, nil
}
