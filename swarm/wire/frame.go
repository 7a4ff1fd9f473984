package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"pifs/blockstore"
)

// Bounds of frames in bytes.
const (
	frameHeader = 4
	MaxMessage  = 64 << 10 // of a request's or an answer's message
	MaxPayload  = 1 << 20  // of one payload frame; what is longer takes several
	maxReason   = 512      // of the line that says why not
)

// ErrProtocol means that the other side does not keep to the protocol: the
// stream is of no use any more.
var ErrProtocol = errors.New("protocol violation")

// Op is the number of an operation, within its protocol.
type Op uint8

// Conn reads and writes frames. The two halves may be used at the same time,
// each by one goroutine.
type Conn struct {
	r   io.Reader
	w   io.Writer
	buf []byte // of the last frame read
	in  []byte // its message
	out []byte // of the message being written
}

// NewConn returns a Conn over a stream, which should not be buffered: a message
// is written at once, and a payload where it lies.
func NewConn(s io.ReadWriter) *Conn { return &Conn{r: s, w: s} }

// WriteRequest sends a request. Its payload, if it has one, follows with
// WritePayload.
func (c *Conn) WriteRequest(op Op, message any) error { return c.write(byte(op), message) }

// WriteAnswer sends a successful answer.
func (c *Conn) WriteAnswer(message any) error { return c.write(byte(StatusOK), message) }

// WriteError answers with the status of err, and what it says.
func (c *Conn) WriteError(err error) error {
	text := err.Error()
	if len(text) > maxReason {
		text = text[:maxReason]
	}
	return c.write(byte(StatusOf(err)), &reason{Text: printable(text)})
}

// reason says why an answer is not a success. It is for people, and logs.
type reason struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Text    string
}

func (c *Conn) write(first byte, message any) (err error) {
	c.out = append(c.out[:0], 0, 0, 0, 0, first)
	if c.out, err = blockstore.AppendMarshal(c.out, message); err != nil {
		return fmt.Errorf("write message: %w", err)
	}
	n := len(c.out) - frameHeader
	if n > MaxMessage {
		return fmt.Errorf("write message of %d bytes: %w", n, blockstore.ErrTooLarge)
	}
	binary.BigEndian.PutUint32(c.out, uint32(n))
	if _, err := c.w.Write(c.out); err != nil {
		return fmt.Errorf("write message: %w", err)
	}
	return nil
}

// ReadRequest reads the next request, whose message is decoded by Message. At
// the end of the stream the error is io.EOF.
func (c *Conn) ReadRequest() (Op, error) {
	first, err := c.read()
	return Op(first), err
}

// ReadAnswer reads an answer and decodes its message, which is a pointer to a
// zero value. If it says why not, the error is a *Refusal.
func (c *Conn) ReadAnswer(message any) error {
	first, err := c.read()
	if err != nil {
		return noEOF(err)
	}
	if Status(first) == StatusOK {
		return c.Message(message)
	}
	var why reason
	if err := c.Message(&why); err != nil {
		return err
	}
	if len(why.Text) > maxReason {
		return fmt.Errorf("%w: a reason of %d bytes", ErrProtocol, len(why.Text))
	}
	return &Refusal{Status: Status(first), Text: printable(why.Text)}
}

// Message decodes the message of the request that was read last.
func (c *Conn) Message(message any) error {
	if err := blockstore.Unmarshal(c.in, message); err != nil {
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	return nil
}

// read reads a frame into c.in, less its first byte, which it returns.
func (c *Conn) read() (first byte, err error) {
	n, err := c.length(MaxMessage)
	if err != nil {
		return 0, err
	}
	if n == 0 {
		return 0, fmt.Errorf("%w: an empty message", ErrProtocol)
	}
	if cap(c.buf) < n {
		c.buf = make([]byte, n)
	}
	c.buf = c.buf[:n]
	if _, err := io.ReadFull(c.r, c.buf); err != nil {
		return 0, fmt.Errorf("read message: %w", noEOF(err))
	}
	c.in = c.buf[1:]
	return c.buf[0], nil
}

// length reads the header of a frame of at most limit bytes. io.EOF is the end
// of the stream between two frames.
func (c *Conn) length(limit int) (int, error) {
	var header [frameHeader]byte
	if _, err := io.ReadFull(c.r, header[:]); err != nil {
		if err == io.EOF {
			return 0, err
		}
		return 0, fmt.Errorf("read frame: %w", err)
	}
	n := binary.BigEndian.Uint32(header[:])
	if uint64(n) > uint64(limit) {
		return 0, fmt.Errorf("%w: a frame of %d bytes, at most %d are allowed", ErrProtocol, n, limit)
	}
	return int(n), nil
}

// WritePayload sends p as the payload that the message before it announced.
func (c *Conn) WritePayload(p []byte) error {
	for first := true; first || len(p) > 0; first = false {
		part := p[:min(len(p), MaxPayload)]
		p = p[len(part):]
		var header [frameHeader]byte
		binary.BigEndian.PutUint32(header[:], uint32(len(part)))
		if _, err := c.w.Write(header[:]); err != nil {
			return fmt.Errorf("write payload: %w", err)
		}
		if _, err := c.w.Write(part); err != nil {
			return fmt.Errorf("write payload: %w", err)
		}
	}
	return nil
}

// ReadPayload appends a payload of exactly size bytes to dst. The caller has
// bounded size.
func (c *Conn) ReadPayload(dst []byte, size int) ([]byte, error) {
	for first := true; first || size > 0; first = false {
		want := min(size, MaxPayload)
		n, err := c.length(want)
		if err != nil {
			return dst, noEOF(err)
		}
		if n != want {
			return dst, fmt.Errorf("%w: a payload frame of %d bytes instead of %d", ErrProtocol, n, want)
		}
		dst = append(dst, make([]byte, n)...)
		if _, err := io.ReadFull(c.r, dst[len(dst)-n:]); err != nil {
			return dst[:len(dst)-n], fmt.Errorf("read payload: %w", noEOF(err))
		}
		size -= n
	}
	return dst, nil
}

// noEOF is for places where a stream must not end.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// printable keeps what somebody else says from steering a terminal.
func printable(text string) string {
	out := []byte(text)
	for i, b := range out {
		if b < ' ' || b > '~' {
			out[i] = '?'
		}
	}
	return string(out)
}
