package integration

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// churnSize returns the size of content i: inline to several chunks.
func churnSize(i int) int64 { return []int64{3000, 40_000, 700_000, 4_000_000}[i%4] + int64(i) }

// churn writes files of few different contents below dir/churn, and drops or
// replaces them, rounds times. A name tells the content, and a file comes to
// its name by rename: so every file can be judged at any time.
func churn(dir string, rounds int) error {
	dir = filepath.Join(dir, "churn")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for r := range rounds {
		for i := range 8 {
			name := filepath.Join(dir, fmt.Sprintf("content-%d", (i*5+r)%8))
			err := os.Remove(name)
			if err == nil && (i+r)%3 == 0 {
				continue
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			n := (i*5 + r) % 8
			if err := fill(name+".new", int64(n), churnSize(n)); err != nil {
				return err
			}
			if i%2 == 0 {
				if err := syncPath(name + ".new"); err != nil {
					return err
				}
			}
			if err := os.Rename(name+".new", name); err != nil {
				return err
			}
		}
	}
	return nil
}

// churned checks what churn left.
func churned(dir string) error {
	names, err := os.ReadDir(filepath.Join(dir, "churn"))
	if err != nil {
		return err
	}
	for _, e := range names {
		digits, ok := strings.CutPrefix(e.Name(), "content-")
		if !ok || strings.HasSuffix(digits, ".new") {
			continue // was being written when the daemon was killed
		}
		n := number(digits)
		if err := verify(filepath.Join(dir, "churn", e.Name()), n, churnSize(int(n))); err != nil {
			return err
		}
	}
	return nil
}
