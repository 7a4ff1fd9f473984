package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// patience is how long a daemon may take to say that it took a call, however
// long the call itself takes. One that is stopped or starved never does.
const patience = 10 * time.Second

// Client passes calls to the daemon that listens on a socket.
type Client struct{ http *http.Client }

var _ Handler = (*Client)(nil)

// Dial returns a client of the daemon at path, or ErrUnreachable when nobody
// listens there.
func Dial(ctx context.Context, path string) (*Client, error) {
	probe, err := dialUnix(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	probe.Close()
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialUnix(ctx, path)
		},
		DisableKeepAlives:     true,
		ResponseHeaderTimeout: patience,
	}
	return &Client{http: &http.Client{Transport: transport}}, nil
}

// Call implements Handler.
func (c *Client) Call(ctx context.Context, name string, args json.RawMessage, emit func(Event) error) (json.RawMessage, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://pifs/v1/"+name, bytes.NewReader(args))
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", name, err)
	}
	resp, err := c.http.Do(req)
	if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() && ctx.Err() == nil {
		// It may take the call up later: nobody must make it again.
		return nil, fmt.Errorf("call %s: %w: it did not take the call within %v", name, ErrUnreachable, patience)
	}
	if err != nil {
		return nil, lostCall(ctx, name, errors.Join(ErrNotBegun, err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 512))
		return nil, fmt.Errorf("call %s: %s: %s", name, resp.Status, bytes.TrimSpace(text))
	}
	lines := json.NewDecoder(resp.Body)
	for {
		var e Event
		if err := lines.Decode(&e); err != nil {
			return nil, lostCall(ctx, name, err)
		}
		switch {
		case e.Error != nil:
			return nil, e.Error
		case e.Progress != nil, e.Item != nil:
			if err := emit(e); err != nil {
				return nil, err
			}
		default:
			return e.Result, nil
		}
	}
}

// lostCall says why no answer came: our own cancellation or a dead daemon.
func lostCall(ctx context.Context, name string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("call %s: %w", name, ctx.Err())
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF // in the middle of an answer
	}
	return fmt.Errorf("call %s: %w: %w", name, ErrUnreachable, err)
}
