package wire_test

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"testing"

	"pifs/blockstore"
	"pifs/swarm/wire"
)

// messages are one of each kind, with the bytes of their requests: they are
// the protocol, and never change.
func messages() []struct {
	name  string
	op    wire.Op
	value any
	want  string
} {
	id := blockstore.ShardID{0xab}
	zeros := "c420" + hexOf(make([]byte, 32))
	one := "c420ab" + hexOf(make([]byte, 31))
	stripe := blockstore.Descriptor{Address: blockstore.Address{0xcd}, Class: blockstore.Class{K: 1, N: 1}, Length: 300, Shards: []blockstore.ShardID{id}}
	return []struct {
		name  string
		op    wire.Op
		value any
		want  string
	}{
		{"put", wire.OpPut, &wire.Put{Stripe: stripe}, "01" + "92" + "94" + "c420cd" + hexOf(make([]byte, 31)) + "920101" + "cd012c" + "91" + one + "00"},
		{"get", wire.OpGet, &wire.Get{ID: id}, "02" + "91" + one},
		{"range", wire.OpRange, &wire.Range{ID: id, Off: 4096, Len: 100}, "03" + "93" + one + "cd1000" + "64"},
		{"has", wire.OpHas, &wire.Has{IDs: []blockstore.ShardID{id}, Claim: true}, "04" + "93" + zeros + "91" + one + "c3"},
		{"sync", wire.OpSync, &wire.Sync{Count: 5}, "059105"},
		{"release", wire.OpRelease, &wire.Release{IDs: []blockstore.ShardID{id}}, "06" + "91" + "91" + one},
		{"usage", wire.OpUsage, &wire.Usage{}, "0790"},
		{"keep", wire.OpKeep, &wire.KeepSet{Principal: "p", Node: "n", Seq: 1, Made: 2, Count: 3, Hashes: 7, Size: 64}, "08" + "99" + "a170" + "a16e" + "01020307" + "40" + zeros + "c440" + hexOf(make([]byte, 64))},
		{"trash", wire.OpTrash, &wire.Trash{Limit: 10}, "09" + "92" + zeros + "0a"},
		{"undelete", wire.OpUndelete, &wire.Undelete{IDs: []blockstore.ShardID{id}}, "0a" + "91" + "91" + one},
		{"which", wire.OpWhich, &wire.Which{IDs: []blockstore.ShardID{id}}, "0b" + "91" + "91" + one},
		{"mend", wire.OpMend, &wire.Put{Stripe: stripe}, "0c" + "92" + "94" + "c420cd" + hexOf(make([]byte, 31)) + "920101" + "cd012c" + "91" + one + "00"},
		{"blob", wire.OpOffer, &wire.Blob{Size: 77}, "04914d"},
		{"survey", wire.OpSurvey, &wire.Survey{}, "0d90"},
		{"done", 0, &wire.Done{}, "0090"},
		{"got", 0, &wire.Got{Size: 9}, "009109"},
		{"held", 0, &wire.Held{Tokens: [][32]byte{{}}}, "00" + "92" + zeros + "91" + zeros},
		{"used", 0, &wire.Used{Shards: 1, Bytes: 2, Disk: 3, Capacity: 4, Free: 5}, "00950102030405"},
		{"surveyed", 0, &wire.Surveyed{Ended: 1, Passes: 2, Stripes: 3, Endangered: 4, Queue: 5, Repaired: 6, Rebuilt: 7, Bytes: 8, Failed: 9, Malformed: 10, Nodes: 11, Operators: 12, Jurisdictions: -1},
			"009d0102030405060708090a0b0cff"},
		{"trashed", 0, &wire.Trashed{Items: []wire.TrashItem{{ID: id, Size: 1, Since: 2, Until: 3}}}, "00" + "91" + "91" + "94" + one + "010203"},
		{"listed", 0, wire.NewListed([]bool{true, false, true, false, false, false, false, false, true}), "00" + "91" + "c4020501"},
		{"undeleted", 0, &wire.Undeleted{Count: 1}, "009101"},
		{"receipt", 0, &wire.Receipt{Node: "n", Principal: "p", Time: 1, Count: 2}, "00" + "97" + zeros + "a16e" + "a170" + "0102" + zeros + "c440" + hexOf(make([]byte, 64))},
	}
}

func hexOf(b []byte) string { return hex.EncodeToString(b) }

func TestGolden(t *testing.T) {
	for _, m := range messages() {
		var out bytes.Buffer
		must(t, wire.NewConn(&out).WriteRequest(m.op, m.value))
		if got := hexOf(out.Bytes()[4:]); got != m.want {
			t.Errorf("%s:\n got %s\nwant %s", m.name, got, m.want)
		}
	}
}

// FuzzMessages reads any bytes as any message: what is taken encodes to the
// same bytes.
func FuzzMessages(f *testing.F) {
	for i, m := range messages() {
		raw, err := hex.DecodeString(m.want)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), raw)
	}
	f.Fuzz(func(t *testing.T, kind uint8, frame []byte) {
		all := messages()
		v := reflect.New(reflect.TypeOf(all[int(kind)%len(all)].value).Elem()).Interface()
		in := append([]byte{byte(len(frame) >> 24), byte(len(frame) >> 16), byte(len(frame) >> 8), byte(len(frame))}, frame...)
		c := wire.NewConn(bytes.NewBuffer(bytes.Clone(in)))
		op, err := c.ReadRequest()
		if err != nil || c.Message(v) != nil {
			return
		}
		var out bytes.Buffer
		must(t, wire.NewConn(&out).WriteRequest(op, v))
		if !bytes.Equal(out.Bytes(), in) {
			t.Errorf("%x decodes, and encodes to %x", in, out.Bytes())
		}
	})
}
