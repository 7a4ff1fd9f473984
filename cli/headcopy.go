package cli

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"pifs/blockstore"
	"pifs/cli/home"
	"pifs/swarm"
)

// headsCopy is the suffix of a chain's second copy. A last record that is
// damaged looks like one that a crash cut off: only the copy tells.
const headsCopy = ".copy"

// chains are a volume's chain of heads and its copy.
type chains struct{ main, second *swarm.Chain }

// openChains opens the chain at path and its copy, and puts the one that is
// damaged, lost or behind right from the other. What is replaced is kept with
// the suffix .damaged.
func openChains(path string, volume [16]byte, writer ed25519.PublicKey) (c chains, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	open := func(path string) (*swarm.Chain, error) { return swarm.OpenChain(path, volume, writer) }
	main, mainErr := open(path)
	second, secondErr := open(path + headsCopy)
	c = chains{main, second}
	if mainErr != nil && (!spoilt(mainErr) || secondErr != nil || second.Len() == 0) {
		return c, mainErr // nothing to put it right from
	}
	if secondErr != nil && !spoilt(secondErr) {
		return c, secondErr
	}
	switch {
	case mainErr != nil || secondErr == nil && main.Len() < second.Len():
		if err := follows(second, main, path); err != nil {
			return c, err
		}
		c.main, err = renew(c.main, path, path+headsCopy, open)
	case secondErr != nil || second.Len() < main.Len():
		if err := follows(main, second, path); err != nil {
			return c, err
		}
		c.second, err = renew(c.second, path+headsCopy, path, open)
	default:
		err = follows(main, second, path)
	}
	return c, err
}

func spoilt(err error) bool {
	return errors.Is(err, blockstore.ErrCorrupt) || errors.Is(err, blockstore.ErrFormat)
}

// follows checks that long begins with all of short, which may be nil.
func follows(long, short *swarm.Chain, path string) error {
	if short == nil || short.Len() == 0 {
		return nil
	}
	h, err := long.Get(short.Len())
	if err != nil {
		return err
	}
	if hash, err := h.Hash(); err != nil || hash != short.LastHash() {
		return errors.Join(err, fmt.Errorf("open chain %s: its copy tells another history: %w", path, blockstore.ErrCorrupt))
	}
	return nil
}

// renew replaces the chain at path by the file from, and opens it.
func renew(old *swarm.Chain, path, from string, open func(string) (*swarm.Chain, error)) (*swarm.Chain, error) {
	if old != nil {
		if err := old.Close(); err != nil {
			return nil, err
		}
	}
	raw, err := os.ReadFile(from)
	if err != nil {
		return nil, fmt.Errorf("copy heads: %w", err)
	}
	if err := os.Rename(path, path+".damaged"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("copy heads: %w", err)
	}
	if err := home.WriteFile(path, raw); err != nil {
		return nil, err
	}
	return open(path)
}

// append adds a head to both. A copy that fails is put right when the chain is
// opened next.
func (c chains) append(h swarm.Head) error {
	if err := c.main.Append(h); err != nil {
		return err
	}
	_ = c.second.Append(h)
	return nil
}

func (c chains) close() error {
	var err error
	for _, one := range []*swarm.Chain{c.main, c.second} {
		if one != nil {
			err = errors.Join(err, one.Close())
		}
	}
	return err
}
