package member

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"pifs/blockstore"
	"pifs/swarm"
)

const testNow = int64(1_760_000_000)

func testKey(n int) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(fmt.Appendf(nil, "%032d", n))
}

func testIdentity(t testing.TB, n int) swarm.Identity {
	t.Helper()
	id := swarm.Identity{Key: testKey(n)}
	var err error
	id.ID, err = idOf([32]byte(id.Key.Public().(ed25519.PublicKey)))
	must(t, err)
	return id
}

var testScope = blockstore.Secret(bytes.Repeat([]byte{7}, 32))

func testFounder(t testing.TB) *Founder {
	t.Helper()
	key := testKey(1_000_000)
	g, err := NewGenesis("lab", key.Public().(ed25519.PublicKey), testScope, "phi", DefaultParams(), testNow)
	must(t, err)
	return &Founder{Genesis: g, Key: key}
}

func testSwarmID(t testing.TB, f *Founder) SwarmID {
	t.Helper()
	id, err := f.Genesis.ID()
	must(t, err)
	return id
}

// testEntry returns the signed entry of member n.
func testEntry(t testing.TB, f *Founder, n int, seq uint64) Entry {
	t.Helper()
	e := Entry{
		Seq: seq, Operator: fmt.Sprintf("operator %d", n%3), Jurisdiction: "DE", Region: "north",
		Capacity: 1 << 40, Addrs: []string{fmt.Sprintf("/ip4/10.0.%d.%d/tcp/7437", n>>8, n&255)},
	}
	must(t, e.Sign(testIdentity(t, n), testSwarmID(t, f)))
	return e
}

func testInvitation(t testing.TB, f *Founder, uses uint32, expires int64) *Invitation {
	t.Helper()
	at := "/ip4/10.0.0.1/tcp/7437/p2p/" + string(testIdentity(t, 0).ID)
	i, err := Invite(f.Genesis, f.Key, testScope, []string{at}, uses, expires)
	must(t, err)
	return &i
}

func testJoin(t testing.TB, f *Founder, i *Invitation, n int, seq uint64) Change {
	t.Helper()
	c, err := NewJoin(i, testEntry(t, f, n, seq))
	must(t, err)
	return c
}

// testRecord returns a record of n members.
func testRecord(t testing.TB, f *Founder, n int) *Record {
	t.Helper()
	rec, err := f.First(testEntry(t, f, 0, 1), testNow)
	must(t, err)
	reg, i := NewRegister(), testInvitation(t, f, MaxUses, testNow+1)
	for m := 1; m < n; m++ {
		reg, rec, err = f.Extend(reg, rec, testJoin(t, f, i, m, 1), testNow)
		must(t, err)
	}
	return rec
}

func clock() int64 { return testNow }

// testBook returns the book of the founder's node, member 0.
func testBook(t testing.TB, f *Founder) (b *Book, dir string) {
	t.Helper()
	dir = t.TempDir()
	b, err := CreateBook(dir, f, testEntry(t, f, 0, 1), clock)
	must(t, err)
	return b, dir
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func golden(t *testing.T, name string, have []byte) {
	t.Helper()
	path := filepath.Join("testdata", "v1", name)
	if os.Getenv("PIFS_UPDATE_GOLDEN") != "" {
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, have, 0o644))
	}
	want, err := os.ReadFile(path)
	must(t, err)
	if !bytes.Equal(have, want) {
		t.Errorf("%s is written as other bytes:\n%x\n%x", name, have, want)
	}
}
