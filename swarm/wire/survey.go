package wire

import (
	"context"
	"fmt"
	"math"

	"pifs/swarm"
)

// Survey asks a node how the stripes are that it looks after: those of which it
// is the first live holder. Those of all nodes together are all stripes, each once.
type Survey struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
}

// Surveyed answers Survey. Nodes, Operators and Jurisdictions say of how many,
// whichever they are, the failure at one moment would cost no stripe: −1 if fewer than k
// shards of one are proved as it is. It is what the node says: a claim.
type Surveyed struct {
	_struct    bool   `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Ended      int64  // Unix seconds: when it had last looked at everything; 0 if it has not yet
	Passes     uint64 // looks at everything since it started
	Stripes    uint64 // in the last of them
	Endangered uint64 // of those, that are to be repaired
	Queue      uint64 // that wait for that
	Repaired   uint64 // stripes, since it started
	Rebuilt    uint64 // shards of them
	Bytes      uint64 // read and written for that
	Failed     uint64 // tries without success
	Malformed  uint64 // stripes that nobody can repair

	Nodes, Operators, Jurisdictions int16
}

// Bounds of what a node is believed to say.
const (
	mostCounted  = 1 << 48 // of everything, bytes included
	mostSurvived = math.MaxUint8
)

// Check reports what no node can mean.
func (s *Surveyed) Check() error {
	most := max(s.Passes, s.Stripes, s.Endangered, s.Queue, s.Repaired, s.Rebuilt, s.Bytes, s.Failed, s.Malformed)
	least, best := min(s.Nodes, s.Operators, s.Jurisdictions), max(s.Nodes, s.Operators, s.Jurisdictions)
	if most > mostCounted || s.Endangered > s.Stripes || least < -1 || best > mostSurvived || s.Ended < 0 {
		return fmt.Errorf("%w: a survey of %d stripes with figures out of bounds", ErrProtocol, s.Stripes)
	}
	return nil
}

// SurveyServer is a ShardServer that looks after stripes.
type SurveyServer interface {
	Survey(ctx context.Context, from swarm.MemberID) (*Surveyed, error)
}
