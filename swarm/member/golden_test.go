package member

import (
	"errors"
	"testing"

	"pifs/blockstore"
)

// TestEncodingsOfVersion1 holds the bytes of everything that is signed, hashed
// or kept: they are never changed.
func TestEncodingsOfVersion1(t *testing.T) {
	f := testFounder(t)
	g, err := blockstore.Marshal(&f.Genesis)
	must(t, err)
	golden(t, "genesis", g)
	if id := testSwarmID(t, f).String(); id != goldenSwarm {
		t.Errorf("swarm %s", id)
	}
	rec := testRecord(t, f, 1)
	raw, err := MarshalRecord(rec)
	must(t, err)
	golden(t, "record", raw)
	sum, err := rec.Header.Hash()
	must(t, err)
	golden(t, "hash", sum[:])

	leave, err := NewLeave(testIdentity(t, 1), testSwarmID(t, f), 7)
	must(t, err)
	remove, err := NewRemove(f.Key, testSwarmID(t, f), testIdentity(t, 1).ID)
	must(t, err)
	update := testEntry(t, f, 1, 3)
	for name, c := range map[string]Change{"leave": leave, "remove": remove, "update": {Update: &update}} {
		raw, err := MarshalChange(c)
		must(t, err)
		golden(t, name, raw)
	}
}

const goldenSwarm = "d4619173774d30c0a02a4af3f500ecee318d68afe1d0bcb3a5fb3ed81cc53795"

func FuzzRecord(f *testing.F) {
	rec := &Record{Header: Header{Version: headerVersion, Epoch: 1, Count: 1}, Entries: []Entry{{Version: entryVersion, Seq: 1, Addrs: []string{"/ip4/1.2.3.4/tcp/1"}}}}
	raw, err := MarshalRecord(rec)
	must(f, err)
	f.Add(raw)
	g := testFounder(f).Genesis
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := UnmarshalRecord(b)
		if err != nil {
			return
		}
		again, err := MarshalRecord(r)
		if err != nil || string(again) != string(b) {
			t.Fatalf("%x encodes as %x, %v", b, again, err)
		}
		if r.Verify(g, nil) == nil {
			t.Fatal("nobody signed it")
		}
		for i := range r.Entries {
			_ = r.Entries[i].Check() // whatever it holds
		}
	})
}

func FuzzChange(f *testing.F) {
	founder := testFounder(f)
	rec := testRecord(f, founder, 2)
	join := testJoin(f, founder, testInvitation(f, founder, 1, testNow+1), 3, 1)
	leave, err := NewLeave(testIdentity(f, 1), testSwarmID(f, founder), 7)
	must(f, err)
	remove, err := NewRemove(founder.Key, testSwarmID(f, founder), testIdentity(f, 1).ID)
	must(f, err)
	for _, c := range []Change{join, leave, remove, {Update: &join.Join.Entry}} {
		raw, err := MarshalChange(c)
		must(f, err)
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := UnmarshalChange(b)
		if err != nil {
			return
		}
		again, err := MarshalChange(c)
		if err != nil || string(again) != string(b) {
			t.Fatalf("%x encodes as %x, %v", b, again, err)
		}
		_, next, err := founder.Extend(NewRegister(), rec, c, testNow)
		if err == nil && next.Verify(founder.Genesis, rec) != nil {
			t.Fatal("a change that was taken makes a record that is not valid")
		}
	})
}

func FuzzInvitation(f *testing.F) {
	text, err := testInvitation(f, testFounder(f), 3, testNow).Format()
	must(f, err)
	f.Add(text)
	f.Add("pifs:i1:")
	f.Fuzz(func(t *testing.T, text string) {
		i, err := ParseInvitation(text)
		if err != nil {
			if !errors.Is(err, ErrTicket) {
				t.Fatal(err)
			}
			return
		}
		again, err := i.Format()
		if err != nil {
			t.Fatal(err)
		}
		if back, err := ParseInvitation(again); err != nil || back.Ticket != i.Ticket || back.Genesis != i.Genesis {
			t.Fatalf("%q comes back as %+v, %v", text, back, err)
		}
	})
}

// FuzzMessages decodes requests and responses; what it accepts encodes to the
// same bytes, and what a refusal shows can be shown.
func FuzzMessages(f *testing.F) {
	founder := testFounder(f)
	rec := testRecord(f, founder, 1)
	leave, err := NewLeave(testIdentity(f, 1), testSwarmID(f, founder), 7)
	must(f, err)
	for _, v := range []any{
		&Request{Have: &Digest{Epoch: 3}}, &Request{Record: rec}, &Request{Change: &leave},
		&Response{Record: rec}, &Response{Header: &rec.Header}, &Response{Refusal: &Refusal{Kind: 2, Text: "no"}},
	} {
		raw, err := blockstore.Marshal(v)
		must(f, err)
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := UnmarshalRequest(b, MaxMessage); err == nil {
			again, err := blockstore.Marshal(r)
			if err != nil || string(again) != string(b) {
				t.Fatalf("%x encodes as %x, %v", b, again, err)
			}
		}
		r, err := UnmarshalResponse(b)
		if err != nil {
			return
		}
		again, err := blockstore.Marshal(r)
		if err != nil || string(again) != string(b) {
			t.Fatalf("%x encodes as %x, %v", b, again, err)
		}
		if r.Refusal != nil && !printable(r.Refusal.Err().Error()) {
			t.Fatalf("a refusal shows as %q", r.Refusal.Err())
		}
	})
}
