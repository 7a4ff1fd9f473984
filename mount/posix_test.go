package mount

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// lockedBuffer is a log that is written and read at once.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

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

var _ io.Writer = (*lockedBuffer)(nil)

// children are the functions that child processes run, by name. Each gets the
// mount point as its first argument.
func children() map[string]func(args []string) error {
	return map[string]func(args []string) error{
		"files": childFiles,
	}
}

func TestFiles(t *testing.T) {
	m := mountMem(t, Options{})
	do(t, "files", m.Dir())
	m.fs.mu.Lock()
	defer m.fs.mu.Unlock()
	if n := len(m.fs.nodes); n != 2 {
		t.Errorf("%d inodes are left, want the root and one file", n)
	}
}

func childFiles(args []string) error {
	p := filepath.Join(args[0], "a")
	data := bytes.Repeat([]byte("0123456789abcdef"), 40<<10)
	if err := os.WriteFile(p, data, 0o644); err != nil {
		return err
	}
	got, err := os.ReadFile(p)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, data) {
		return errors.New("read back other bytes than were written")
	}
	if _, err := os.OpenFile(p, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o644); !errors.Is(err, syscall.EEXIST) {
		return fmt.Errorf("O_EXCL: %v", err)
	}
	if _, err := os.Create(filepath.Join(args[0], strings.Repeat("x", 256))); !errors.Is(err, syscall.ENAMETOOLONG) {
		return fmt.Errorf("long name: %v", err)
	}
	return nil
}
