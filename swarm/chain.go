package swarm

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"sync"

	"pifs/blockstore"
)

// Chain is the history of one volume on this machine: an append-only file of
// signed heads, each of which names the one before by its hash. It is safe for
// concurrent use.
type Chain struct {
	path   string
	volume [16]byte
	writer ed25519.PublicKey

	mu      sync.RWMutex
	file    chainFile // nil after Close
	offsets []int64   // of the frame of each head, by seq − 1
	size    int64     // end of the last whole frame
	last    Head      // zero if there is none
	hash    HeadHash  // of last
	torn    int64     // bytes cut off when the chain was opened
	broken  error     // the file's end is in doubt: the next append goes to a new file
	frozen  bool      // opened for reading only
}

// OpenChain opens the chain of a volume whose heads are signed by writer, and
// creates it if there is none. A last record that is torn, as a crash leaves
// it, is cut off and kept beside the chain; anything else that is wrong is
// blockstore.ErrCorrupt and names the head. One process at a time may have a
// chain open.
func OpenChain(path string, volume [16]byte, writer ed25519.PublicKey) (*Chain, error) {
	return openChain(path, volume, writer, false)
}

// ReadChain opens a chain that must exist, to read it: a torn end is left
// alone, and so is a process that appends at the same time.
func ReadChain(path string, volume [16]byte, writer ed25519.PublicKey) (*Chain, error) {
	return openChain(path, volume, writer, true)
}

func openChain(path string, volume [16]byte, writer ed25519.PublicKey, readOnly bool) (*Chain, error) {
	c := &Chain{path: path, volume: volume, writer: writer}
	err := c.open(readOnly)
	if err == nil {
		err = c.scan()
	}
	if err == nil && !readOnly {
		err = c.cut()
	}
	if err != nil {
		return nil, fmt.Errorf("open chain %s: %w", path, errors.Join(err, c.Close()))
	}
	c.frozen = readOnly
	return c, nil
}

// Last returns the newest head; ok is false if there is none.
func (c *Chain) Last() (h Head, ok bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.last, c.last.Seq != 0
}

// LastHash returns the hash of the newest head, zero if there is none.
func (c *Chain) LastHash() HeadHash {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.hash
}

// Len returns the number of heads, which is also the newest seq.
func (c *Chain) Len() uint64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return uint64(len(c.offsets))
}

// Torn returns how many bytes of an unfinished record were found at the end
// when the chain was opened.
func (c *Chain) Torn() int64 { return c.torn }

// Next fills in what places h after the newest head: volume, seq and prev. The
// caller signs it then.
func (c *Chain) Next(h Head) Head {
	c.mu.RLock()
	defer c.mu.RUnlock()
	h.Version, h.Volume, h.Seq, h.Prev = headVersion, c.volume, c.last.Seq+1, c.hash
	return h
}

// Append adds a signed head, durable on return. It must follow the newest one.
// After an error the chain is as before; if even that is in doubt, the next
// Append first replaces the file. A crash before that may keep the head.
func (c *Chain) Append(h Head) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.append(h); err != nil {
		return fmt.Errorf("append head %d to %s: %w", h.Seq, c.path, err)
	}
	return nil
}

func (c *Chain) append(h Head) error {
	if c.file == nil {
		return blockstore.ErrClosed
	}
	if c.frozen {
		return errors.New("chain is open for reading only")
	}
	if c.broken != nil {
		if err := c.mend(); err != nil {
			return fmt.Errorf("replace file: %w (%w)", err, c.broken)
		}
	}
	if err := h.follows(c.volume, c.writer, c.last.Seq, c.hash); err != nil {
		return err
	}
	if err := h.Verify(); err != nil {
		return err
	}
	payload, err := MarshalHead(h)
	if err != nil {
		return err
	}
	if err := c.write(appendFrame(nil, payload)); err != nil {
		return err
	}
	return c.accept(h, payload)
}

// accept makes h the newest head; its frame stands at the end of the file.
func (c *Chain) accept(h Head, payload []byte) error {
	hash, err := h.Hash()
	if err != nil {
		return err
	}
	c.offsets = append(c.offsets, c.size)
	c.size += frameHeader + int64(len(payload))
	c.last, c.hash = h, hash
	return nil
}

// Get returns the head with a seq, or blockstore.ErrNotFound.
func (c *Chain) Get(seq uint64) (Head, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.file == nil {
		return Head{}, blockstore.ErrClosed
	}
	if seq == 0 || seq > uint64(len(c.offsets)) {
		return Head{}, fmt.Errorf("read head %d of %s: %w", seq, c.path, blockstore.ErrNotFound)
	}
	h, err := c.read(seq)
	if err != nil {
		return Head{}, fmt.Errorf("read head %d of %s: %w", seq, c.path, err)
	}
	return h, nil
}

func (c *Chain) read(seq uint64) (Head, error) {
	payload, ok, err := readFrame(c.file, c.offsets[seq-1], c.size)
	if err != nil {
		return Head{}, err
	}
	if !ok {
		return Head{}, fmt.Errorf("%w: record is damaged", blockstore.ErrCorrupt)
	}
	return UnmarshalHead(payload)
}

// All calls fn for every head, oldest first, until it returns an error.
func (c *Chain) All(fn func(Head) error) error {
	for seq := uint64(1); seq <= c.Len(); seq++ {
		h, err := c.Get(seq)
		if err != nil {
			return err
		}
		if err := fn(h); err != nil {
			return err
		}
	}
	return nil
}

// Verify reads the whole chain again and checks every signature and every
// link. The error names the first head that is wrong.
func (c *Chain) Verify() error {
	var seq uint64
	var prev HeadHash
	return c.All(func(h Head) error {
		if err := errors.Join(h.follows(c.volume, c.writer, seq, prev), h.Verify()); err != nil {
			return fmt.Errorf("head %d of %s: %w", seq+1, c.path, err)
		}
		hash, err := h.Hash()
		seq, prev = seq+1, hash
		return err
	})
}
