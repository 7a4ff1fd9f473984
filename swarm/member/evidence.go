package member

import (
	"fmt"

	"pifs/blockstore"
)

const (
	maxEvidence      = 16 // that a book keeps: one would do
	maxEvidenceBytes = 64 << 10
)

// Evidence is two headers that the founder signed and that cannot both belong
// to one history.
type Evidence struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	A, B    Header
}

// contradiction reports whether a and b, both signed by the founder, cannot
// both be of one history: two of one epoch, or one that does not follow the
// other.
func contradiction(a, b Header) (bool, error) {
	if a.Epoch > b.Epoch {
		a, b = b, a
	}
	sum, err := a.Hash()
	if err != nil {
		return false, err
	}
	if a.Epoch+1 == b.Epoch {
		return b.Prev != sum, nil
	}
	other, err := b.Hash()
	return a.Epoch == b.Epoch && sum != other, err
}

// Verify checks that e convicts the founder of g.
func (e Evidence) Verify(g Genesis) error {
	if err := e.A.Verify(g); err != nil {
		return err
	}
	if err := e.B.Verify(g); err != nil {
		return err
	}
	bad, err := contradiction(e.A, e.B)
	if err == nil && !bad {
		err = fmt.Errorf("evidence: records %d and %d do not contradict each other: %w", e.A.Epoch, e.B.Epoch, blockstore.ErrFormat)
	}
	return err
}
