package audit

import (
	"fmt"

	"pifs/blockstore"
	"pifs/swarm/proof"
	"pifs/swarm/wire"
)

// Bounds of messages in bytes and entries.
const (
	maxNote     = 2 << 10
	maxQuestion = 1 << 10
	maxVerdicts = 4096 // in one message
	maxGossip   = 4 << 20
	maxEvidence = 8 << 20
	maxPlaces   = 64 // shards in one question
	maxPlaced   = 1 << 20
)

// note is what a node tells all others: one of the two.
type note struct {
	_struct   bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Statement *proof.Statement
	Reveal    *proof.Reveal
}

// gossip tells verdicts, and asks for those since a round; zero asks for none.
type gossip struct {
	_struct  bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Verdicts []proof.Verdict
	Since    uint64
}

// question asks where in a node's newest inventory shards are.
type question struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	IDs     []blockstore.ShardID
}

// Placed answers a question: what stands in the inventory where each of the shards would.
type Placed struct {
	_struct   bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Statement proof.Statement
	Places    []proof.Place
}

// Limit implements wire.BlobServer. It is for members only, as the protocol is.
func limit(op wire.Op) int {
	switch op {
	case wire.OpInventory, wire.OpChallenge, wire.OpEvidence:
		return maxQuestion
	case wire.OpBeacon:
		return maxNote
	case wire.OpVerdicts:
		return maxGossip
	case wire.OpPlace:
		return maxPlaces*34 + maxQuestion
	}
	return 0
}

func encode(message any) ([]byte, error) {
	b, err := blockstore.Marshal(message)
	if err != nil {
		return nil, fmt.Errorf("encode message: %w", err)
	}
	return b, nil
}

func decode(b []byte, message any) error {
	if err := blockstore.Unmarshal(b, message); err != nil {
		return fmt.Errorf("%w: %w", wire.ErrProtocol, err)
	}
	return nil
}
