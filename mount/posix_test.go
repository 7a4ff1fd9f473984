package mount

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"sync"
	"syscall"
)

// childFunc does something to the mount args[0] and reports what is wrong.
type childFunc = func(args []string) error

// children are the functions that child processes run, by name.
func children() map[string]childFunc {
	all := make(map[string]childFunc)
	for _, some := range []map[string]childFunc{
		fileChildren(), nameChildren(), attrChildren(), listChildren(), xattrChildren(), lockChildren(),
		waitChildren(), mountChildren(), extendedChildren(),
	} {
		maps.Copy(all, some)
	}
	return all
}

// checks collects what is wrong, so that one run of a child tells all of it.
type checks struct{ errs []error }

func (c *checks) err() error { return errors.Join(c.errs...) }

// ok wants no error.
func (c *checks) ok(err error, what string) {
	if err != nil {
		c.errs = append(c.errs, fmt.Errorf("%s: %w", what, err))
	}
}

// fails wants err to be want.
func (c *checks) fails(err error, want syscall.Errno, what string) {
	if !errors.Is(err, want) {
		c.errs = append(c.errs, fmt.Errorf("%s: got %v, want %v", what, err, want))
	}
}

func (c *checks) equal(got, want any, what string) {
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		if len(g)+len(w) > 400 {
			g, w = g[:min(200, len(g))], w[:min(200, len(w))]
		}
		c.errs = append(c.errs, fmt.Errorf("%s: got %s, want %s", what, g, w))
	}
}

// become turns the process into one of user uid, for good.
func become(uid int) error {
	return errors.Join(syscall.Setgroups(nil), syscall.Setgid(uid), syscall.Setuid(uid))
}

// lockedBuffer is a log that is written and read at once.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

var _ io.Writer = (*lockedBuffer)(nil)

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
