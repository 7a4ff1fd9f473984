package meet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"pifs/blockstore"
)

// largeFrame is the length in bytes from which a frame waits for a place: only
// records are so long.
const largeFrame = 64 << 10

// writeFrame writes a message with its length.
func writeFrame(w io.Writer, v any) error {
	b, err := blockstore.AppendMarshal(make([]byte, 4), v)
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	if _, err := w.Write(b); err != nil {
		return fmt.Errorf("write message: %w", err)
	}
	return nil
}

// readFrame reads a message of at most limit bytes. Memory is taken as bytes
// come in and not as they are announced; the places of large bound how many
// long ones are read at a time. io.EOF means that there is no more.
func readFrame(r io.Reader, limit int, large chan struct{}) ([]byte, error) {
	var header [4]byte
	if _, err := io.ReadFull(r, header[:]); errors.Is(err, io.EOF) {
		return nil, io.EOF
	} else if err != nil {
		return nil, fmt.Errorf("read message: %w", err)
	}
	n := int64(binary.BigEndian.Uint32(header[:]))
	if n > int64(limit) {
		return nil, fmt.Errorf("read message of %d bytes: %w", n, blockstore.ErrTooLarge)
	}
	if n >= largeFrame {
		select {
		case large <- struct{}{}:
			defer func() { <-large }()
		default:
			return nil, fmt.Errorf("read message of %d bytes: too many at once: %w", n, blockstore.ErrTooLarge)
		}
	}
	var b bytes.Buffer
	if _, err := io.CopyN(&b, r, n); err != nil {
		return nil, fmt.Errorf("read message of %d bytes: %w", n, err)
	}
	return b.Bytes(), nil
}
