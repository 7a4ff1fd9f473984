package wire

import (
	"context"
	"fmt"

	"pifs/blockstore"
	"pifs/swarm"
)

// The other protocols carry messages that this package does not look into: what
// they mean, and how large they may be, is for the packages that make them.
const (
	MemberProtocol = "/pifs/member/1" // package member: records
	JoinProtocol   = "/pifs/join/1"   // the only one that strangers may open
	ProofProtocol  = "/pifs/proof/1"  // package proof: inventories, challenges, verdicts
)

// Operations of MemberProtocol and JoinProtocol.
const (
	OpDigest Op = 1 // which record do you have? the answer has a newer one
	OpOffer  Op = 4 // take this record
	OpChange Op = 5 // of members, or a join of a stranger
)

// Operations of ProofProtocol.
const (
	OpInventory Op = 1 // Blob() → Blob(the newest statement of what the node holds)
	OpChallenge Op = 2 // Blob(challenge) → Blob(answer)
	OpBeacon    Op = 3 // Blob(statement or reveal) → Blob()
	OpVerdicts  Op = 4 // Blob(verdicts) → Blob(verdicts): tell each other
	OpPlace     Op = 5 // Blob(shard ids) → Blob(where they are in the inventory)
	OpEvidence  Op = 6 // Blob(id) → Blob(evidence)
)

// MaxBlob is the largest message of these protocols in bytes.
const MaxBlob = 16 << 20

// Blob announces a payload of so many bytes, in requests and answers alike.
type Blob struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Size    uint32
}

// BlobServer answers one protocol of blobs. Limit bounds the payload of a
// request before it is read: zero for an operation that it does not know.
type BlobServer interface {
	Limit(op Op, from swarm.MemberID) int
	Serve(ctx context.Context, op Op, from swarm.MemberID, request []byte) ([]byte, error)
}

// WriteBlob sends a request, or with op 0 an answer, of a blob.
func (c *Conn) WriteBlob(op Op, blob []byte) error {
	if len(blob) > MaxBlob {
		return fmt.Errorf("write %d bytes: %w", len(blob), blockstore.ErrTooLarge)
	}
	if err := c.write(byte(op), &Blob{Size: uint32(len(blob))}); err != nil {
		return err
	}
	return c.WritePayload(blob)
}

// ReadBlob reads the answer to a blob, of at most limit bytes.
func (c *Conn) ReadBlob(limit int) ([]byte, error) {
	var b Blob
	if err := c.ReadAnswer(&b); err != nil {
		return nil, err
	}
	return c.blob(b, limit)
}

// RequestBlob reads the rest of a request of a blob, of at most limit bytes.
func (c *Conn) RequestBlob(limit int) ([]byte, error) {
	var b Blob
	if err := c.Message(&b); err != nil {
		return nil, err
	}
	return c.blob(b, limit)
}

func (c *Conn) blob(b Blob, limit int) ([]byte, error) {
	if int64(b.Size) > int64(min(limit, MaxBlob)) {
		return nil, fmt.Errorf("%w: a message of %d bytes, at most %d are allowed", ErrProtocol, b.Size, limit)
	}
	return c.ReadPayload(nil, int(b.Size))
}
