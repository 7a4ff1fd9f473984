package job

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// Data is a kind of bytes.
type Data string

const (
	Random Data = ""     // nothing makes them smaller
	Text   Data = "text" // zstd makes a third of them
)

// Bytes returns size bytes that depend on seed alone.
func (d Data) Bytes(size int64, seed uint64) ([]byte, error) {
	p := make([]byte, size)
	switch d {
	case Random:
		return p, randomise(p, seed)
	case Text:
		scribble(p, seed)
		return p, nil
	}
	return nil, fmt.Errorf("there are no data %q", d)
}

func randomise(p []byte, seed uint64) error {
	var key [aes.BlockSize]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return err
	}
	cipher.NewCTR(block, make([]byte, aes.BlockSize)).XORKeyStream(p, p)
	return nil
}

// scribble writes words of eight bytes from a list of 256, among numbers.
func scribble(p []byte, seed uint64) {
	const letters = "etaoinshrdlucmfw"
	source := rand.NewPCG(seed, 1)
	var words [256]uint64
	for i := range words {
		var w [8]byte
		for j, r := 0, source.Uint64(); j < len(w)-1; j, r = j+1, r>>4 {
			w[j] = letters[r&15]
		}
		w[len(w)-1] = ' '
		words[i] = binary.LittleEndian.Uint64(w[:])
	}
	for at := 0; at < len(p); {
		r := source.Uint64()
		for ; r > 1 && at+8 <= len(p); r >>= 8 {
			binary.LittleEndian.PutUint64(p[at:], words[byte(r)])
			at += 8
		}
		if at+8 > len(p) {
			return
		}
	}
}
