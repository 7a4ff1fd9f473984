package blockstore

import (
	"errors"
	"fmt"
	"io"

	chunkers "github.com/PlakarKorp/go-cdc-chunkers"
	_ "github.com/PlakarKorp/go-cdc-chunkers/chunkers/fastcdc" // the engine registers itself
	"github.com/zeebo/blake3"
)

const (
	chunkEngine   = "fastcdc-v1.0.0"
	chunkerDomain = "pifs 2026-01-01 chunker key v1"
)

// Chunker cuts a stream into content-defined chunks: FastCDC (Xia et al.,
// USENIX ATC 2016) with normalised chunking and a gear table keyed by the
// scope's secret, so that sizes alone do not tell an outsider what is stored.
// A cut depends only on the bytes since the cut before it: after an insertion
// or a deletion the cuts fall back into step.
//
// A Chunker holds a buffer of 2 × MaxChunk and serves one goroutine.
type Chunker struct {
	cdc *chunkers.Chunker
	err error // what ended the stream
}

// NewChunker returns a chunker for the scope. Reset gives it a stream.
func NewChunker(scope Secret) (*Chunker, error) {
	key := make([]byte, 32)
	blake3.DeriveKey(chunkerDomain, scope[:], key)
	opts := &chunkers.ChunkerOpts{MinSize: MinChunk, NormalSize: AvgChunk, MaxSize: MaxChunk, Key: key}
	cdc, err := chunkers.NewChunker(chunkEngine, nil, opts)
	if err != nil {
		return nil, fmt.Errorf("make chunker: %w", err)
	}
	return &Chunker{cdc: cdc, err: errors.New("read chunk: no stream")}, nil
}

// Reset starts a new stream. What was buffered of the old one is dropped.
func (c *Chunker) Reset(r io.Reader) {
	c.cdc.Reset(r)
	c.err = nil
}

// Next returns the next chunk, 1 … MaxChunk bytes, valid until the next call,
// and io.EOF after the last. Once it fails it keeps failing the same way; a
// chunk that was cut short by a read error is not returned.
func (c *Chunker) Next() ([]byte, error) {
	if c.err != nil {
		return nil, c.err
	}
	// The engine returns a short last chunk together with io.EOF.
	chunk, err := c.cdc.Next()
	switch {
	case err == nil || err == io.EOF && len(chunk) > 0:
		return chunk, nil
	case err == io.EOF:
		c.err = io.EOF
	default:
		c.err = fmt.Errorf("read chunk: %w", err)
	}
	return nil, c.err
}
