package member

import (
	"errors"
	"strings"
	"testing"

	"pifs/blockstore"
)

func TestCountries(t *testing.T) {
	if n := len(strings.Fields(countries)); n != 249 || len(countries) != 3*249 {
		t.Errorf("%d countries, ISO 3166-1 assigns 249", n)
	}
	for _, code := range strings.Fields(countries) {
		if !IsCountry(code) {
			t.Errorf("%s is not taken", code)
		}
	}
	for _, code := range []string{"", "D", "de", "DEU", "UK", "EU", "XX", "E A", " A", "A ", "DE "} {
		if IsCountry(code) {
			t.Errorf("%q is taken", code)
		}
	}
}

func TestEntriesAreBounded(t *testing.T) {
	f := testFounder(t)
	id := testIdentity(t, 3)
	for name, spoil := range map[string]func(*Entry){
		"no seq":          func(e *Entry) { e.Seq = 0 },
		"long operator":   func(e *Entry) { e.Operator = strings.Repeat("x", MaxName+1) },
		"escape":          func(e *Entry) { e.Region = "\x1b[2J" },
		"not UTF-8":       func(e *Entry) { e.Region = "\xff" },
		"no operator":     func(e *Entry) { e.Operator = "" },
		"country":         func(e *Entry) { e.Jurisdiction = "UK" },
		"no country":      func(e *Entry) { e.Jurisdiction = "" },
		"capacity":        func(e *Entry) { e.Capacity = MaxCapacity + 1 },
		"no multiaddr":    func(e *Entry) { e.Addrs = []string{"10.0.0.1:7437"} },
		"other spelling":  func(e *Entry) { e.Addrs = []string{"/ip6/0:0:0:0:0:0:0:1/tcp/1"} },
		"long address":    func(e *Entry) { e.Addrs = []string{"/dns4/" + strings.Repeat("a", MaxAddr) + "/tcp/1"} },
		"nine addresses":  func(e *Entry) { e.Addrs = strings.Split(strings.Repeat("/ip4/1.2.3.4/tcp/1 ", 9), " ")[:9] },
		"empty addresses": func(e *Entry) { e.Addrs = []string{} },
	} {
		e := testEntry(t, f, 3, 5)
		spoil(&e)
		if err := e.Sign(id, testSwarmID(t, f)); !errors.Is(err, blockstore.ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
	user := Entry{Seq: 1}
	if err := user.Sign(id, testSwarmID(t, f)); err != nil {
		t.Errorf("a principal: %v", err)
	}
}

func TestEntryBelongsToItsSwarm(t *testing.T) {
	f := testFounder(t)
	e := testEntry(t, f, 3, 5)
	must(t, e.Verify(testSwarmID(t, f)))
	if err := e.Verify(SwarmID{1}); !errors.Is(err, blockstore.ErrCorrupt) {
		t.Errorf("in another swarm: %v", err)
	}
	other := e
	other.ID, other.Key = testIdentity(t, 4).ID, testEntry(t, f, 4, 1).Key
	if err := other.Verify(testSwarmID(t, f)); !errors.Is(err, blockstore.ErrCorrupt) {
		t.Errorf("under another's key: %v", err)
	}
	other.Key = e.Key
	if err := other.Verify(testSwarmID(t, f)); !errors.Is(err, blockstore.ErrFormat) {
		t.Errorf("with another's id: %v", err)
	}
}

// TestNothingInARecordCanBeChanged flips a bit of every byte of an encoded
// record: it does not decode, or does not verify.
func TestNothingInARecordCanBeChanged(t *testing.T) {
	f := testFounder(t)
	rec := testRecord(t, f, 3)
	must(t, rec.Verify(f.Genesis, nil))
	raw, err := MarshalRecord(rec)
	must(t, err)
	for i := range raw {
		bit := i % 8
		raw[i] ^= 1 << bit
		if r, err := UnmarshalRecord(raw); err == nil && r.Verify(f.Genesis, rec) == nil {
			t.Fatalf("bit %d of byte %d can be flipped", bit, i)
		}
		raw[i] ^= 1 << bit
	}
}

func TestRecordsOfOthersAreRefused(t *testing.T) {
	f := testFounder(t)
	rec := testRecord(t, f, 3)
	in := testSwarmID(t, f)
	forged, err := newRecord(in, testKey(5), rec, rec.Header.Founder, rec.Entries, testNow)
	must(t, err)
	if err := forged.Verify(f.Genesis, rec); !errors.Is(err, blockstore.ErrCorrupt) {
		t.Errorf("signed by a member: %v", err)
	}
	// The founder cannot speak for a member, nor name one twice or out of order.
	e := testEntry(t, f, 9, 1)
	e.Capacity++
	for name, entries := range map[string][]Entry{
		"altered entry": {e}, "twice": {rec.Entries[0], rec.Entries[0]}, "order": {rec.Entries[1], rec.Entries[0]},
	} {
		r, err := newRecord(in, f.Key, rec, rec.Header.Founder, entries, testNow)
		must(t, err)
		if r.Verify(f.Genesis, nil) == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
