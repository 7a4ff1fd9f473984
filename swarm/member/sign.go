package member

import (
	"crypto/ed25519"
	"fmt"

	"pifs/blockstore"
)

// What is signed begins with one of these, and the id of the swarm: nothing
// that was signed for one purpose, or one swarm, says anything in another.
const (
	entryDomain  = "pifs member entry signature v1\x00"
	recordDomain = "pifs member record signature v1\x00"
	ticketDomain = "pifs member ticket signature v1\x00"
	joinDomain   = "pifs member join signature v1\x00"
	leaveDomain  = "pifs member leave signature v1\x00"
	removeDomain = "pifs member remove signature v1\x00"
)

// message returns what a signature covers: v is without its own signature.
func message(domain string, swarm SwarmID, v any) ([]byte, error) {
	b, err := blockstore.AppendMarshal(append([]byte(domain), swarm[:]...), v)
	if err != nil {
		return nil, fmt.Errorf("encode what is signed: %w", err)
	}
	return b, nil
}

func sign(key ed25519.PrivateKey, domain string, swarm SwarmID, v any) (sig [64]byte, err error) {
	b, err := message(domain, swarm, v)
	if err != nil {
		return sig, err
	}
	copy(sig[:], ed25519.Sign(key, b))
	return sig, nil
}

// verify reports a wrong signature as blockstore.ErrCorrupt.
func verify(key, sig []byte, domain string, swarm SwarmID, v any) error {
	b, err := message(domain, swarm, v)
	if err != nil {
		return err
	}
	if !ed25519.Verify(key, b, sig) {
		return fmt.Errorf("%w: signature is wrong", blockstore.ErrCorrupt)
	}
	return nil
}
