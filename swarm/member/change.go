package member

import (
	"crypto/ed25519"
	"fmt"

	"pifs/blockstore"
	"pifs/swarm"
)

// MaxChange is the largest encoded change in bytes.
const MaxChange = 8 << 10

// Change is what a record can be extended by. One of its fields is set.
type Change struct {
	_struct bool    `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Join    *Join   // of a newcomer
	Update  *Entry  // of a member, by itself, with a greater seq
	Leave   *Leave  // of a member, by itself
	Remove  *Remove // of a member, by the founder
}

// Join is a newcomer's entry, and its proof that it was invited.
type Join struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Ticket  Ticket
	Entry   Entry
	Proof   [64]byte // by the ticket's key, over the entry
}

// Leave takes the member that signs it out.
type Leave struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	ID      swarm.MemberID
	Seq     uint64   // not below that of the member's entry
	Sig     [64]byte // by the member
}

// Remove takes a member out for good: its id cannot join again. It is for keys
// that were stolen, and machines that are gone.
type Remove struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	ID      swarm.MemberID
	Sig     [64]byte // by the founder
}

// NewJoin asks that the signed entry of a newcomer become part of the record.
func NewJoin(i *Invitation, e Entry) (Change, error) {
	in, err := i.Genesis.ID()
	if err != nil {
		return Change{}, err
	}
	j := &Join{Ticket: i.Ticket, Entry: e}
	j.Entry.Joined = 0
	if j.Proof, err = sign(ed25519.NewKeyFromSeed(i.Seed[:]), joinDomain, in, &j.Entry); err != nil {
		return Change{}, fmt.Errorf("prove ticket: %w", err)
	}
	return Change{Join: j}, nil
}

// NewLeave asks that the member id be taken out. seq is not below that of its
// entry.
func NewLeave(id swarm.Identity, in SwarmID, seq uint64) (Change, error) {
	l := &Leave{ID: id.ID, Seq: seq}
	var err error
	if l.Sig, err = sign(id.Key, leaveDomain, in, l.unsigned()); err != nil {
		return Change{}, fmt.Errorf("sign leave: %w", err)
	}
	return Change{Leave: l}, nil
}

// NewRemove takes a member out by the founder's key.
func NewRemove(founder ed25519.PrivateKey, in SwarmID, id swarm.MemberID) (Change, error) {
	r := &Remove{ID: id}
	var err error
	if r.Sig, err = sign(founder, removeDomain, in, r.unsigned()); err != nil {
		return Change{}, fmt.Errorf("sign removal: %w", err)
	}
	return Change{Remove: r}, nil
}

func (l Leave) unsigned() *Leave {
	l.Sig = [64]byte{}
	return &l
}

func (r Remove) unsigned() *Remove {
	r.Sig = [64]byte{}
	return &r
}

// MarshalChange returns the canonical encoding.
func MarshalChange(c Change) ([]byte, error) {
	b, err := blockstore.Marshal(&c)
	if err != nil {
		return nil, fmt.Errorf("encode change: %w", err)
	}
	if len(b) > MaxChange {
		return nil, fmt.Errorf("encode change of %d bytes: %w", len(b), blockstore.ErrTooLarge)
	}
	return b, nil
}

// UnmarshalChange decodes a change, which Verify has not seen yet.
func UnmarshalChange(b []byte) (Change, error) {
	var c Change
	if len(b) > MaxChange {
		return c, fmt.Errorf("decode change of %d bytes: %w", len(b), blockstore.ErrTooLarge)
	}
	if err := blockstore.Unmarshal(b, &c); err != nil {
		return Change{}, fmt.Errorf("decode change: %w", err)
	}
	set := 0
	for _, there := range []bool{c.Join != nil, c.Update != nil, c.Leave != nil, c.Remove != nil} {
		if there {
			set++
		}
	}
	if set != 1 {
		return Change{}, fmt.Errorf("decode change: %d at once: %w", set, blockstore.ErrFormat)
	}
	return c, nil
}

// Subject returns the member that c is about.
func (c Change) Subject() swarm.MemberID {
	switch {
	case c.Join != nil:
		return c.Join.Entry.ID
	case c.Update != nil:
		return c.Update.ID
	case c.Leave != nil:
		return c.Leave.ID
	case c.Remove != nil:
		return c.Remove.ID
	}
	return ""
}

// Verify checks every signature of c against the record that it would extend,
// and that a ticket has not expired by now. It costs a stranger's request a few signatures
// to be told apart from an invited one's, on any member, before the founder
// hears of it. What was used up, and who is gone, only the founder knows.
func (c Change) Verify(g Genesis, cur *Record, now int64) error {
	in := cur.Header.Swarm
	switch {
	case c.Join != nil:
		if err := c.Join.Ticket.Verify(g, now); err != nil {
			return err
		}
		if err := verify(c.Join.Ticket.Key[:], c.Join.Proof[:], joinDomain, in, &c.Join.Entry); err != nil {
			return fmt.Errorf("verify proof of ticket: %w: %w", ErrTicket, err)
		}
		return c.Join.Entry.Verify(in)
	case c.Update != nil:
		return c.Update.Verify(in)
	case c.Leave != nil:
		e, ok := cur.Find(c.Leave.ID)
		if !ok || c.Leave.Seq < e.Seq {
			return fmt.Errorf("leave: %s is not a member, or has come back since: %w", c.Leave.ID, ErrRefused)
		}
		return verify(e.Key[:], c.Leave.Sig[:], leaveDomain, in, c.Leave.unsigned())
	case c.Remove != nil:
		return verify(g.Founder[:], c.Remove.Sig[:], removeDomain, in, c.Remove.unsigned())
	}
	return fmt.Errorf("empty change: %w", blockstore.ErrFormat)
}
