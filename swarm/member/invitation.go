package member

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/zeebo/blake3"

	"pifs/blockstore"
)

const (
	invitationVersion = 1
	invitationPrefix  = "pifs:i1:"
	invitationCheck   = 4       // bytes of BLAKE3 at the end, against a string that was not copied whole
	maxInvitation     = 8 << 10 // characters

	MaxUses = 1 << 16 // of one ticket

	// ClockSkew is by how much, in seconds, the clock of somebody who only passes a
	// ticket on may be wrong: the founder's clock decides.
	ClockSkew = 25 * 3600
)

// ErrTicket means that a ticket, or the invitation it is in, opens nothing:
// not whole, of another founder, expired, or used up.
var ErrTicket = errors.New("invitation is not valid")

// Ticket is the founder's word that whoever has its key may join.
type Ticket struct {
	_struct bool     `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Key     [32]byte // Ed25519 public key, made for this ticket alone
	Expires int64    // Unix seconds, by the founder's clock
	Uses    uint32   // members that may join by it
	Sig     [64]byte // by the founder
}

func (t Ticket) unsigned() *Ticket {
	t.Sig = [64]byte{}
	return &t
}

// Verify checks that the founder of g signed t, and that it has not expired.
func (t Ticket) Verify(g Genesis, now int64) error {
	id, err := g.ID()
	if err != nil {
		return err
	}
	if err := verify(g.Founder[:], t.Sig[:], ticketDomain, id, t.unsigned()); err != nil {
		return fmt.Errorf("verify ticket: %w: %w", ErrTicket, err)
	}
	if now >= t.Expires {
		return fmt.Errorf("verify ticket: it expired on %s: %w", time.Unix(t.Expires, 0).UTC().Format(time.DateTime), ErrTicket)
	}
	return nil
}

// Invitation is all that a newcomer needs. Whoever has it may join, and can
// confirm what files of the swarm's scope are stored.
type Invitation struct {
	_struct   bool     `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Version   uint8    // of this record
	Genesis   Genesis  // of the swarm
	Scope     [32]byte // secret of the scope that all members share
	Bootstrap []string // multiaddrs of members, with their ids
	Ticket    Ticket
	Seed      [32]byte // of the ticket's key
}

// Invite makes an invitation for uses newcomers until expires. bootstrap are
// addresses of members, with their ids.
func Invite(g Genesis, founder ed25519.PrivateKey, scope blockstore.Secret, bootstrap []string, uses uint32, expires int64) (Invitation, error) {
	in, err := g.ID()
	if err != nil {
		return Invitation{}, err
	}
	pub, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return Invitation{}, fmt.Errorf("make ticket: %w", err)
	}
	t := Ticket{Expires: expires, Uses: uses}
	copy(t.Key[:], pub)
	if t.Sig, err = sign(founder, ticketDomain, in, t.unsigned()); err != nil {
		return Invitation{}, fmt.Errorf("sign ticket: %w", err)
	}
	i := Invitation{Version: invitationVersion, Genesis: g, Scope: scope, Bootstrap: bootstrap, Ticket: t}
	copy(i.Seed[:], key.Seed())
	return i, i.check()
}

func (i *Invitation) check() error {
	if i.Version != invitationVersion {
		return fmt.Errorf("invitation version %d: %w", i.Version, blockstore.ErrFormat)
	}
	if err := i.Genesis.Check(); err != nil {
		return err
	}
	if CommitScope(i.Scope) != i.Genesis.Scope {
		return fmt.Errorf("invitation: its scope secret is not the swarm's: %w", blockstore.ErrFormat)
	}
	key := ed25519.NewKeyFromSeed(i.Seed[:]).Public().(ed25519.PublicKey)
	if [32]byte(key) != i.Ticket.Key || i.Ticket.Uses == 0 || i.Ticket.Uses > MaxUses {
		return fmt.Errorf("invitation: its ticket does not fit: %w", blockstore.ErrFormat)
	}
	if len(i.Bootstrap) == 0 {
		return fmt.Errorf("invitation without address: %w", blockstore.ErrFormat)
	}
	for _, text := range i.Bootstrap {
		if _, err := peer.AddrInfoFromString(text); err != nil {
			return fmt.Errorf("invitation: address %q: %w: %w", text, blockstore.ErrFormat, err)
		}
	}
	return CheckAddrs(i.Bootstrap)
}

// Format returns the invitation as one line of text.
func (i *Invitation) Format() (string, error) {
	b, err := blockstore.Marshal(i)
	if err != nil {
		return "", fmt.Errorf("encode invitation: %w", err)
	}
	sum := blake3.Sum256(b)
	text := invitationPrefix + base64.RawURLEncoding.EncodeToString(append(b, sum[:invitationCheck]...))
	if len(text) > maxInvitation {
		return "", fmt.Errorf("encode invitation of %d characters: %w", len(text), blockstore.ErrTooLarge)
	}
	return text, nil
}

// ParseInvitation reads what Format returned, blanks around it aside. Whether
// the ticket still opens anything is for its Verify, and the founder, to say.
func ParseInvitation(text string) (Invitation, error) {
	i, err := parseInvitation(strings.TrimSpace(text))
	if err != nil {
		return Invitation{}, fmt.Errorf("read invitation: %w: %w", ErrTicket, err)
	}
	return i, nil
}

func parseInvitation(text string) (i Invitation, err error) {
	body, ok := strings.CutPrefix(text, invitationPrefix)
	if !ok || len(text) > maxInvitation {
		return i, fmt.Errorf("it is one line that begins with %s: %w", invitationPrefix, blockstore.ErrFormat)
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(body)
	if err != nil || len(raw) < invitationCheck {
		return i, fmt.Errorf("it is not complete: %w", blockstore.ErrFormat)
	}
	b, check := raw[:len(raw)-invitationCheck], raw[len(raw)-invitationCheck:]
	if sum := blake3.Sum256(b); string(check) != string(sum[:invitationCheck]) {
		return i, fmt.Errorf("it is not complete: %w", blockstore.ErrFormat)
	}
	if err := blockstore.Unmarshal(b, &i); err != nil {
		return i, err
	}
	return i, i.check()
}
