package fsnode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"pifs/blockstore"
	"pifs/cache"
)

// A journal that was cut short ends reads early. That is damage, and no end of
// the file: chunking fails, and neither stops there nor tries for ever.
func TestRechunkOfACutJournal(t *testing.T) {
	c, err := blockstore.NewChunker(blockstore.Secret{1})
	if err != nil {
		t.Fatal(err)
	}
	const size = 300_000
	for _, good := range []int64{0, 4096, zeroBlock} {
		reads := 0
		r := &rechunk{
			pieces: []cache.Piece{{Off: 0, Len: size}}, size: size, final: true, cuts: c, bufs: make(chan []byte, 1),
			put: func(context.Context, *[]byte) (blockstore.Ref, error) { return blockstore.Ref{}, nil },
			readAt: func(_ context.Context, off int64, p []byte) error {
				if reads++; reads > 100 {
					return errors.New("it would go on for ever")
				}
				if off+int64(len(p)) > good {
					return fmt.Errorf("read journal: %w: %w", blockstore.ErrCorrupt, io.EOF)
				}
				for i := range p {
					p[i] = 1
				}
				return nil
			},
		}
		r.bufs <- nil
		if _, _, err := r.run(t.Context(), 0); !spoils(err) {
			t.Errorf("with %d good bytes, after %d reads: %v", good, reads, err)
		}
	}
}
