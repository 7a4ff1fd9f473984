package member

import (
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/zeebo/blake3"

	"pifs/blockstore"
	"pifs/swarm"
)

// The files of a book. Each ends with the BLAKE3 hash of what is before, and
// has a copy, from which it is put right.
const (
	genesisFile  = "genesis"
	recordFile   = "record"
	registerFile = "register" // the founder's
	evidenceFile = "evidence" // missing if there is none
	founderFile  = "founder"  // the founder's key, in PEM
	copySuffix   = ".copy"

	founderType = "PIFS FOUNDER KEY"
)

// save replaces a file and its copy, durable on return. After an error the old
// or the new contents will be found.
func save(dir, name string, content []byte) error {
	sum := blake3.Sum256(content)
	sealed := append(content[:len(content):len(content)], sum[:]...)
	path := filepath.Join(dir, name)
	if err := swarm.ReplaceFile(path, sealed); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := swarm.ReplaceFile(path+copySuffix, sealed); err != nil {
		return fmt.Errorf("write %s: %w", path+copySuffix, err)
	}
	return nil
}

// load returns the contents of a file, or of its copy, of at most limit bytes;
// fs.ErrNotExist if there is neither, blockstore.ErrCorrupt if none is whole.
// If heal, both are whole again on return, unless the disk refuses: only who
// alone has the folder open may do that, for another may be between the two.
func load(dir, name string, limit int, heal bool) ([]byte, error) {
	path := filepath.Join(dir, name)
	first, err := loadSealed(path, limit)
	second, copyErr := loadSealed(path+copySuffix, limit)
	switch {
	case err == nil && copyErr == nil:
		if heal && string(first) != string(second) { // a crash came between the two
			return first, save(dir, name, first)
		}
		return first, nil
	case err != nil && copyErr != nil:
		return nil, err
	case err != nil:
		first = second
	}
	if heal {
		_ = save(dir, name, first) // tried again with the next use
	}
	return first, nil
}

func loadSealed(path string, limit int) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	b, err := io.ReadAll(io.LimitReader(f, int64(limit)+33))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if len(b) > limit+32 || len(b) < 32 {
		return nil, fmt.Errorf("read %s: %w: %d bytes", path, blockstore.ErrCorrupt, len(b))
	}
	content := b[:len(b)-32]
	if sum := blake3.Sum256(content); string(sum[:]) != string(b[len(b)-32:]) {
		return nil, fmt.Errorf("read %s: %w: its hash is another", path, blockstore.ErrCorrupt)
	}
	return content, nil
}

func formatFounder(key ed25519.PrivateKey) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: founderType, Bytes: key.Seed()})
}

func parseFounder(text []byte) (ed25519.PrivateKey, error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != founderType || len(rest) != 0 || len(block.Bytes) != ed25519.SeedSize {
		return nil, fmt.Errorf("%w: not a founder's key", blockstore.ErrFormat)
	}
	return ed25519.NewKeyFromSeed(block.Bytes), nil
}
