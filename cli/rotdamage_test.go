package cli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"pifs/fsnode"
)

// describe says what an inode that is no folder is.
func describe(ctx context.Context, v *fsnode.Volume, a fsnode.Attr) (string, error) {
	what := fmt.Sprintf("mode %o, %d links, %d bytes", a.Mode, a.Nlink, a.Size)
	names, err := v.Listxattr(ctx, a.Ino)
	for _, n := range names {
		if strings.HasPrefix(n, "user.pifs.") {
			continue
		}
		x, e := v.Getxattr(ctx, a.Ino, n)
		what += fmt.Sprintf(", %s=%.6x", n, sha256.Sum256(x))
		err = errors.Join(err, e)
	}
	if a.Mode&syscall.S_IFMT == syscall.S_IFLNK {
		to, e := v.Readlink(ctx, a.Ino)
		return what + " to " + to, errors.Join(err, e)
	}
	sum := sha256.New()
	p := make([]byte, 128<<10)
	for off := int64(0); err == nil; {
		var n int
		n, err = v.Read(ctx, a.Ino, off, p, true)
		if n == 0 {
			break
		}
		sum.Write(p[:n])
		off += int64(n)
	}
	return fmt.Sprintf("%s, %x", what, sum.Sum(nil)[:8]), err
}

// damage is one thing done to one file.
type damage struct {
	file string // inside the home
	kind string
	do   func(path, older string) error
}

func (d damage) String() string { return d.kind + " " + d.file }

const rotPage = 4096

// damages lists what can be done to a file of a home; rng chooses places.
func damages(file string, size int64, rng *rand.Rand) []damage {
	all := []damage{
		{file, "remove", func(p, _ string) error { return os.Remove(p) }},
		{file, "empty", func(p, _ string) error { return os.Truncate(p, 0) }},
		{file, "halve", func(p, _ string) error { return os.Truncate(p, size/2) }},
		{file, "older", func(p, older string) error { return copyFile(older, p, 0o600) }},
	}
	if size == 0 {
		return nil
	}
	places := []int64{0, size - 1}
	for i := range int64(4) {
		places = append(places, size*i/4+rng.Int64N(size/4+1))
	}
	for _, at := range places {
		at, bit := min(at, size-1), byte(1)<<rng.IntN(8)
		all = append(all, damage{file, fmt.Sprintf("flip bit %#x of byte %d of", bit, at), func(p, _ string) error {
			return change(p, func(b []byte) { b[at] ^= bit })
		}})
	}
	pages := (size + rotPage - 1) / rotPage
	zero := rng.Int64N(pages) * rotPage
	all = append(all, damage{file, fmt.Sprintf("zero page at %d of", zero), func(p, _ string) error {
		return change(p, func(b []byte) { clear(b[zero:min(zero+rotPage, size)]) })
	}})
	if whole := size / rotPage; whole >= 2 {
		i, j := rng.Int64N(whole), rng.Int64N(whole-1)
		if j >= i {
			j++
		}
		all = append(all, damage{file, fmt.Sprintf("swap pages %d and %d of", i, j), func(p, _ string) error {
			return change(p, func(b []byte) {
				x, y := b[i*rotPage:(i+1)*rotPage], b[j*rotPage:(j+1)*rotPage]
				saved := bytes.Clone(x)
				copy(x, y)
				copy(y, saved)
			})
		}})
	}
	return all
}

func change(path string, fn func([]byte)) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	fn(b)
	return os.WriteFile(path, b, 0o600)
}

// damagesOf lists the damages of a home, taking from every kind of file in
// turn, so that any number of the first is a fair sample.
func damagesOf(t *testing.T, home, old string, rng *rand.Rand) []damage {
	t.Helper()
	groups := map[string][]damage{}
	var order []string
	err := filepath.WalkDir(home, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		file := strings.TrimPrefix(path, home+"/")
		kind := kindOfFile(file)
		for _, d := range damages(file, info.Size(), rng) {
			if _, err := os.Stat(filepath.Join(old, file)); d.kind == "older" && err != nil {
				continue
			}
			if groups[kind] == nil {
				order = append(order, kind)
			}
			groups[kind] = append(groups[kind], d)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range order {
		rng.Shuffle(len(groups[g]), func(i, j int) { groups[g][i], groups[g][j] = groups[g][j], groups[g][i] })
	}
	var all []damage
	for n := 0; ; n++ {
		before := len(all)
		for _, g := range order {
			if n < len(groups[g]) {
				all = append(all, groups[g][n])
			}
		}
		if len(all) == before {
			return all
		}
	}
}

// kindOfFile makes one kind of the same file in all stores and volumes.
func kindOfFile(file string) string {
	parts := strings.Split(file, "/")
	if len(parts) > 2 && (parts[0] == "stores" || parts[0] == "volumes") {
		parts[1] = "*"
	}
	return strings.Join(parts, "/")
}
