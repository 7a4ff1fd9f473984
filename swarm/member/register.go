package member

import (
	"cmp"
	"crypto/ed25519"
	"fmt"
	"slices"
	"strings"

	"pifs/blockstore"
	"pifs/swarm"
)

const (
	registerVersion = 1
	maxRegister     = 64 << 20 // bytes of an encoded register: a million members that went
)

// Register is what the founder notes beside the record, so that a ticket is
// not used more often than it says and nobody's old words bring a member back.
type Register struct {
	_struct bool  `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Version uint8 // of this record
	Used    []Use // sorted by key; dropped when the ticket has expired
	Gone    []Gone
}

// Use says who joined by a ticket.
type Use struct {
	_struct bool             `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Key     [32]byte         // of the ticket
	Expires int64            // the ticket does
	By      []swarm.MemberID // each once
}

// Gone is a member that left or was removed.
type Gone struct {
	_struct bool           `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	ID      swarm.MemberID // sorted by it
	Seq     uint64         // entries up to this one are of before
	Removed bool           // by the founder: for good
}

// NewRegister returns the register of a new swarm.
func NewRegister() *Register { return &Register{Version: registerVersion} }

// Founder is the key that extends the record, and what it goes by. Its methods
// do not alter anything: they return what comes next.
type Founder struct {
	Genesis Genesis
	Key     ed25519.PrivateKey
}

// First returns the record that begins a swarm: its one member takes changes.
func (f *Founder) First(e Entry, now int64) (*Record, error) {
	in, err := f.Genesis.ID()
	if err != nil {
		return nil, err
	}
	if err := e.Verify(in); err != nil {
		return nil, err
	}
	e.Joined = 1
	return newRecord(in, f.Key, nil, e.ID, []Entry{e}, now)
}

// Extend returns the register and the record after a change. If the record has
// the change already, both are returned as they are. The register has to be
// durable before the record is shown to anybody.
func (f *Founder) Extend(reg *Register, cur *Record, c Change, now int64) (*Register, *Record, error) {
	if err := c.Verify(f.Genesis, cur, now); err != nil {
		return nil, nil, err
	}
	next := reg.without(now)
	var entries []Entry
	var err error
	switch {
	case c.Join != nil:
		if have, ok := cur.Find(c.Join.Entry.ID); ok && have.Seq >= c.Join.Entry.Seq {
			return reg, cur, nil // it asks again, for it did not hear the answer
		}
		if err := next.admit(c.Join); err != nil {
			return nil, nil, err
		}
		entries, err = placed(cur, c.Join.Entry)
	case c.Update != nil:
		have, ok := cur.Find(c.Update.ID)
		if !ok {
			return nil, nil, fmt.Errorf("update: %s is not a member: %w", c.Update.ID, ErrRefused)
		}
		if have.Seq >= c.Update.Seq {
			return reg, cur, nil
		}
		entries, err = placed(cur, *c.Update)
	case c.Leave != nil:
		entries, err = taken(cur, c.Leave.ID)
		next.bury(Gone{ID: c.Leave.ID, Seq: c.Leave.Seq})
	case c.Remove != nil:
		if next.gone(c.Remove.ID).Removed {
			return reg, cur, nil
		}
		entries, err = taken(cur, c.Remove.ID)
		next.bury(Gone{ID: c.Remove.ID, Removed: true})
	}
	if err != nil {
		return nil, nil, err
	}
	rec, err := newRecord(cur.Header.Swarm, f.Key, cur, cur.Header.Founder, entries, now)
	return next, rec, err
}

// placed returns the entries with e among them, in place of an older one of
// the same member.
func placed(cur *Record, e Entry) ([]Entry, error) {
	e.Joined = cur.Header.Epoch + 1
	entries := slices.Clone(cur.Entries)
	i, ok := slices.BinarySearchFunc(entries, e.ID, byID)
	if ok {
		e.Joined = entries[i].Joined
		entries[i] = e
		return entries, nil
	}
	if len(entries) >= MaxMembers {
		return nil, fmt.Errorf("the swarm has %d members, and takes no more: %w", len(entries), ErrRefused)
	}
	return slices.Insert(entries, i, e), nil
}

// taken returns the entries without a member. The founder's node stays: without
// it nobody could come or go.
func taken(cur *Record, id swarm.MemberID) ([]Entry, error) {
	if id == cur.Header.Founder {
		return nil, fmt.Errorf("the founder's node cannot leave the swarm: %w", ErrRefused)
	}
	i, ok := slices.BinarySearchFunc(cur.Entries, id, byID)
	if !ok {
		return nil, fmt.Errorf("%s is not a member: %w", id, ErrRefused)
	}
	return slices.Delete(slices.Clone(cur.Entries), i, i+1), nil
}

func byID(e Entry, id swarm.MemberID) int { return strings.Compare(string(e.ID), string(id)) }

// without returns a copy of r that has no expired tickets.
func (r *Register) without(now int64) *Register {
	c := &Register{Version: r.Version, Gone: slices.Clone(r.Gone)}
	for _, u := range r.Used {
		if u.Expires > now {
			c.Used = append(c.Used, Use{Key: u.Key, Expires: u.Expires, By: slices.Clone(u.By)})
		}
	}
	return c
}

// admit counts one use of a ticket. A member that joined by it before may do so
// again, with an entry that it made after it left.
func (r *Register) admit(j *Join) error {
	e := &j.Entry
	switch g := r.gone(e.ID); {
	case g.Removed:
		return fmt.Errorf("join: the founder removed %s: %w", e.ID, ErrRefused)
	case g.Seq >= e.Seq:
		return fmt.Errorf("join: an entry of before %s left: %w", e.ID, ErrRefused)
	}
	i, ok := slices.BinarySearchFunc(r.Used, j.Ticket.Key, func(u Use, key [32]byte) int { return slices.Compare(u.Key[:], key[:]) })
	if !ok {
		r.Used = slices.Insert(r.Used, i, Use{Key: j.Ticket.Key, Expires: j.Ticket.Expires})
	}
	u := &r.Used[i]
	if slices.Contains(u.By, e.ID) {
		return nil
	}
	if uint64(len(u.By)) >= uint64(j.Ticket.Uses) {
		return fmt.Errorf("join: the invitation was for %d and is used up: %w", j.Ticket.Uses, ErrTicket)
	}
	u.By = append(u.By, e.ID)
	return nil
}

// gone returns what is known of a member that went, or a zero value.
func (r *Register) gone(id swarm.MemberID) Gone {
	i, ok := slices.BinarySearchFunc(r.Gone, id, func(g Gone, id swarm.MemberID) int { return cmp.Compare(g.ID, id) })
	if !ok {
		return Gone{}
	}
	return r.Gone[i]
}

func (r *Register) bury(g Gone) {
	i, ok := slices.BinarySearchFunc(r.Gone, g.ID, func(g Gone, id swarm.MemberID) int { return cmp.Compare(g.ID, id) })
	if ok {
		r.Gone[i] = g
		return
	}
	r.Gone = slices.Insert(r.Gone, i, g)
}

func marshalRegister(r *Register) ([]byte, error) {
	b, err := blockstore.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode register: %w", err)
	}
	if len(b) > maxRegister {
		return nil, fmt.Errorf("encode register of %d bytes: %w", len(b), blockstore.ErrTooLarge)
	}
	return b, nil
}

func unmarshalRegister(b []byte) (*Register, error) {
	r := new(Register)
	if err := blockstore.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("decode register: %w", err)
	}
	if r.Version != registerVersion {
		return nil, fmt.Errorf("decode register version %d: %w", r.Version, blockstore.ErrFormat)
	}
	return r, nil
}
