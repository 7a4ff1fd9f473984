package member

import (
	"errors"
	"fmt"

	"pifs/blockstore"
	"pifs/swarm"
)

// MaxMessage is the largest encoded request or response in bytes: a record and
// what goes around it.
const MaxMessage = MaxRecord + 4<<10

const maxRefusal = 512 // bytes of text

// Request is what one member asks of another about the record. One of its
// fields is set.
type Request struct {
	_struct bool    `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Have    *Digest // compare this with yours
	Record  *Record // take this, if it is newer
	Change  *Change // make this, or have the founder make it
}

// Response answers a request.
type Response struct {
	_struct bool     `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Have    Digest   // of the record that the answering member has now
	Record  *Record  // that record: if it is newer than what was asked with, or after a change was made
	Header  *Header  // of that record: if it is of the same epoch and another one
	Refusal *Refusal // why a change was not made
}

// Refusal says why a change was not made.
type Refusal struct {
	_struct bool  `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Kind    uint8 // index into kinds
	Text    string
}

// errElsewhere is any failure of the other member that has no kind of its own.
var errElsewhere = errors.New("the other member could not do it")

// kinds are the errors that keep their kind from one member to another. More
// may be added at the end.
func kinds() []error {
	return []error{errElsewhere, ErrRefused, ErrTicket, swarm.ErrUnreachable, blockstore.ErrFormat, blockstore.ErrCorrupt}
}

// refuse puts an error into an answer.
func refuse(err error) *Refusal {
	r := &Refusal{Text: err.Error()}
	for i, kind := range kinds() {
		if errors.Is(err, kind) {
			r.Kind = uint8(i)
			break
		}
	}
	if len(r.Text) > maxRefusal || !printable(r.Text) {
		r.Text = kinds()[r.Kind].Error()
	}
	return r
}

// Err returns the error that the other side had.
func (r *Refusal) Err() error {
	if int(r.Kind) >= len(kinds()) || !printable(r.Text) {
		return errElsewhere
	}
	return &remoteError{text: r.Text, kind: kinds()[r.Kind]}
}

// remoteError shows as the other member wrote it.
type remoteError struct {
	text string
	kind error
}

func (e *remoteError) Error() string { return e.text }
func (e *remoteError) Unwrap() error { return e.kind }

// UnmarshalRequest decodes a request of at most limit bytes.
func UnmarshalRequest(b []byte, limit int) (*Request, error) {
	r := new(Request)
	if len(b) > limit {
		return nil, fmt.Errorf("decode request of %d bytes: %w", len(b), blockstore.ErrTooLarge)
	}
	if err := blockstore.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("decode request: %w", err)
	}
	if (r.Have != nil) == (r.Record != nil) && r.Change == nil || r.Change != nil && (r.Have != nil || r.Record != nil) {
		return nil, fmt.Errorf("decode request: it asks for nothing, or for several things: %w", blockstore.ErrFormat)
	}
	return r, nil
}

// UnmarshalResponse decodes a response. The record in it is not verified.
func UnmarshalResponse(b []byte) (*Response, error) {
	r := new(Response)
	if len(b) > MaxMessage {
		return nil, fmt.Errorf("decode response of %d bytes: %w", len(b), blockstore.ErrTooLarge)
	}
	if err := blockstore.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("decode response: %w", err)
	}
	return r, nil
}
