package wire_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"pifs/blockstore"
	"pifs/swarm"
	"pifs/swarm/wire"
)

func noise(n int) []byte {
	b, x := make([]byte, n), uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

func TestRequestAndAnswer(t *testing.T) {
	var stream bytes.Buffer
	c := wire.NewConn(&stream)
	shard := noise(3*wire.MaxPayload/2 + 5)
	d := blockstore.Descriptor{Class: blockstore.Class{K: 1, N: 2}, Length: uint32(len(shard)), Shards: make([]blockstore.ShardID, 2)}
	put := &wire.Put{Stripe: d, Index: 1}
	must(t, c.WriteRequest(wire.OpPut, put))
	must(t, c.WritePayload(shard))
	must(t, c.WriteRequest(wire.OpUsage, &wire.Usage{}))
	op, err := c.ReadRequest()
	var got wire.Put
	if err != nil || op != wire.OpPut {
		t.Fatal(op, err)
	}
	must(t, c.Message(&got))
	must(t, got.Check())
	if diff := cmp.Diff(put, &got, cmpopts.IgnoreUnexported(wire.Put{}, blockstore.Descriptor{}, blockstore.Class{})); diff != "" {
		t.Error(diff)
	}
	b, err := c.ReadPayload(nil, len(shard))
	if err != nil || !bytes.Equal(b, shard) {
		t.Fatal("payload", err)
	}
	if op, err := c.ReadRequest(); op != wire.OpUsage || err != nil {
		t.Fatal(op, err)
	}
	if _, err := c.ReadRequest(); err != io.EOF {
		t.Errorf("end of the stream: %v", err)
	}
}

// TestErrorsCross sends each kind of error, and a line that wants to steer a
// terminal.
func TestErrorsCross(t *testing.T) {
	for _, want := range []error{
		blockstore.ErrNotFound, blockstore.ErrCorrupt, blockstore.ErrFormat, blockstore.ErrTooLarge,
		wire.ErrStranger, wire.ErrBusy, wire.ErrRefused, syscall.ENOSPC, errors.ErrUnsupported,
	} {
		var stream bytes.Buffer
		c := wire.NewConn(&stream)
		must(t, c.WriteError(want))
		if err := c.ReadAnswer(&wire.Done{}); !errors.Is(err, want) {
			t.Errorf("%v arrives as %v", want, err)
		}
	}
	var stream bytes.Buffer
	c := wire.NewConn(&stream)
	must(t, c.WriteError(errors.New("\x1b[2Jgone "+strings.Repeat("x", 1<<20))))
	err := c.ReadAnswer(&wire.Done{})
	if !errors.Is(err, swarm.ErrUnreachable) || strings.ContainsRune(err.Error(), '\x1b') || len(err.Error()) > 1000 {
		t.Errorf("of an unknown kind: %.100v", err)
	}
}

// TestBounds: what is too long is refused by its header alone.
func TestBounds(t *testing.T) {
	for name, in := range map[string]string{
		"message":        "00010001",
		"giant":          "ffffffff",
		"empty":          "00000000",
		"trailing bytes": "00000003" + "07" + "90" + "c0",
	} {
		raw, _ := hex.DecodeString(in)
		c := wire.NewConn(bytes.NewBuffer(raw))
		_, err := c.ReadRequest()
		if err == nil {
			err = c.Message(&wire.Usage{})
		}
		if !errors.Is(err, wire.ErrProtocol) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c := wire.NewConn(bytes.NewBuffer([]byte{0, 0, 0, 9}))
	if _, err := c.ReadPayload(nil, 8); !errors.Is(err, wire.ErrProtocol) {
		t.Errorf("a payload that is longer than announced: %v", err)
	}
	var stream bytes.Buffer
	c = wire.NewConn(&stream)
	must(t, c.WriteBlob(wire.OpOffer, noise(100)))
	if _, err := c.ReadRequest(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.RequestBlob(99); !errors.Is(err, wire.ErrProtocol) {
		t.Errorf("a blob beyond its bound: %v", err)
	}
}

func TestToken(t *testing.T) {
	shard := noise(5000)
	id := blockstore.ShardIDOf(shard)
	one, two := [32]byte{1}, [32]byte{2}
	token := wire.Token("a", "b", one, two, id, shard)
	for what, other := range map[string][32]byte{
		"the parties changed places":  wire.Token("b", "a", one, two, id, shard),
		"the nonces changed places":   wire.Token("a", "b", two, one, id, shard),
		"names that run together":     wire.Token("ab", "", one, two, id, shard),
		"another shard":               wire.Token("a", "b", one, two, id, shard[1:]),
		"the same bytes, another id":  wire.Token("a", "b", one, two, blockstore.ShardID{}, shard),
		"only the first of its bytes": wire.Token("a", "b", one, two, id, shard[:1024]),
	} {
		if token == other {
			t.Errorf("one token serves two: %s", what)
		}
	}
	if token != wire.Token("a", "b", one, two, id, shard) {
		t.Error("the token differs from time to time")
	}
}

func TestReceipt(t *testing.T) {
	id, err := swarm.CreateIdentity(t.TempDir())
	must(t, err)
	ids := []blockstore.ShardID{{3}, {1}, {2}, {1}}
	r := wire.Receipt{Node: id.ID, Principal: "p", Time: 1}
	r.Root, r.Count = wire.ReceiptRoot(ids)
	must(t, r.Sign(id.Key))
	must(t, r.Verify())
	if r.Count != 3 || !r.Covers([]blockstore.ShardID{{1}, {2}, {3}}) || r.Covers([]blockstore.ShardID{{1}, {2}}) {
		t.Errorf("a receipt of %d shards covers others", r.Count)
	}
	forged := r
	forged.Time++
	if err := forged.Verify(); !errors.Is(err, blockstore.ErrCorrupt) {
		t.Errorf("altered: %v", err)
	}
	forged = r
	forged.Node = "nobody"
	if err := forged.Verify(); !errors.Is(err, blockstore.ErrCorrupt) {
		t.Errorf("of nobody: %v", err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
