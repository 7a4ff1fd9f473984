package swarm

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
)

// The chain in testdata/v1 was written by the first version. It must open for
// ever, and the same heads must still be written as the same bytes.
func TestChainOfVersion1(t *testing.T) {
	want, err := os.ReadFile("testdata/v1/heads")
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := wholeChain(t, 3); !bytes.Equal(got, want) {
		t.Error("the same heads are written as other bytes")
	}
	path := filepath.Join(t.TempDir(), "heads")
	if err := os.WriteFile(path, want, 0o600); err != nil {
		t.Fatal(err)
	}
	c := openTestChain(t, path)
	hash := c.LastHash()
	if c.Len() != 3 || hex.EncodeToString(hash[:]) != goldenHash {
		t.Errorf("%d heads, the last is %x", c.Len(), hash)
	}
	if err := c.Verify(); err != nil {
		t.Error(err)
	}
}

const goldenHash = "73e88350fe7b749eb688bc942a2cf92a58da68bb6f612d9c0fd844b5b504ab43"

func TestIdentityOfVersion1(t *testing.T) {
	id, err := LoadIdentity("testdata/v1")
	if err != nil {
		t.Fatal(err)
	}
	if id.ID != goldenMember {
		t.Errorf("member %s", id.ID)
	}
}

const goldenMember = "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5"
