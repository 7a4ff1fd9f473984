package member

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"pifs/blockstore"
	"pifs/swarm"
)

func reopened(t *testing.T, dir string) *Book {
	t.Helper()
	b, err := OpenBook(dir, clock)
	must(t, err)
	return b
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestBookKeepsWhatTheFounderSigned(t *testing.T) {
	f := testFounder(t)
	b, dir := testBook(t, f)
	i := testInvitation(t, f, 1, testNow+100)
	before := b.Changed()
	must(t, b.Submit(t.Context(), testJoin(t, f, i, 1, 1)))
	if !closed(before) || closed(b.Changed()) {
		t.Error("the change was not signalled once")
	}
	before = b.Changed()
	must(t, b.Submit(t.Context(), testJoin(t, f, i, 1, 1)))
	if closed(before) || b.Current().Header.Epoch != 2 {
		t.Error("a repeated request changed something")
	}
	b = reopened(t, dir)
	if b.Current().Header.Epoch != 2 || b.Founder() == nil || b.ID() != testSwarmID(t, f) {
		t.Errorf("opened again: %+v", b.Current().Header)
	}
	if err := b.Submit(t.Context(), testJoin(t, f, i, 2, 1)); !errors.Is(err, ErrTicket) {
		t.Errorf("the register was not kept: %v", err)
	}
	if _, err := CreateBook(dir, f, testEntry(t, f, 0, 1), clock); !errors.Is(err, fs.ErrExist) {
		t.Errorf("created twice: %v", err)
	}
	if _, err := OpenBook(t.TempDir(), clock); !errors.Is(err, ErrNoSwarm) {
		t.Errorf("an empty folder: %v", err)
	}
}

func TestMemberFollowsAndForwards(t *testing.T) {
	f := testFounder(t)
	founder, _ := testBook(t, f)
	i := testInvitation(t, f, 5, testNow+100)
	must(t, founder.Submit(t.Context(), testJoin(t, f, i, 1, 1)))
	dir := t.TempDir()
	m, err := AdoptBook(dir, f.Genesis, founder.Current(), clock)
	must(t, err)
	if m.Founder() != nil {
		t.Error("a member has the founder's key")
	}
	join := testJoin(t, f, i, 2, 1)
	if err := m.Submit(t.Context(), join); !errors.Is(err, swarm.ErrUnreachable) {
		t.Errorf("with nobody to ask: %v", err)
	}
	m.ForwardBy(func(ctx context.Context, to swarm.MemberID, c Change) (*Record, error) {
		if to != testIdentity(t, 0).ID {
			t.Errorf("sent to %s", to)
		}
		err := founder.Submit(ctx, c)
		return founder.Current(), err
	})
	must(t, m.Submit(t.Context(), join))
	if m = reopened(t, dir); m.Current().Header != founder.Current().Header {
		t.Error("the member does not have what it asked for")
	}
	// Older records, and those of others, change nothing.
	old := testRecord(t, f, 1)
	if changed, err := m.Receive(old); changed || err != nil {
		t.Errorf("an older record: %v %v", changed, err)
	}
	other := &Founder{Genesis: f.Genesis, Key: testKey(77)}
	other.Genesis.Name = "other"
	foreign, err := other.First(func() Entry {
		e := testEntry(t, other, 0, 1)
		return e
	}(), testNow)
	must(t, err)
	foreign.Header.Epoch = 99
	if changed, err := m.Receive(foreign); changed || !errors.Is(err, blockstore.ErrCorrupt) {
		t.Errorf("a record of another swarm: %v %v", changed, err)
	}
}

// TestTwoHistoriesAreEvidence has the founder's key sign two records of one
// epoch, and two that do not follow each other, as one does that was stolen, or
// came back from an old copy of its home.
func TestTwoHistoriesAreEvidence(t *testing.T) {
	f := testFounder(t)
	founder, _ := testBook(t, f)
	first := founder.Current()
	i := testInvitation(t, f, 5, testNow+100)
	must(t, founder.Submit(t.Context(), testJoin(t, f, i, 1, 1)))
	dir := t.TempDir()
	m, err := AdoptBook(dir, f.Genesis, founder.Current(), clock)
	must(t, err)
	_, fork, err := f.Extend(NewRegister(), first, testJoin(t, f, i, 2, 1), testNow)
	must(t, err)
	changed, err := m.Receive(fork)
	if changed || err != nil {
		t.Errorf("the other of two records: %v %v", changed, err)
	}
	must(t, m.Witness(fork.Header)) // known already
	_, later, err := f.Extend(NewRegister(), fork, testJoin(t, f, i, 3, 1), testNow)
	must(t, err)
	if changed, err := m.Receive(later); !changed || err != nil {
		t.Errorf("a newer one: %v %v", changed, err)
	}
	must(t, m.Witness(m.Current().Header))
	for _, m := range []*Book{m, reopened(t, dir)} {
		if len(m.Evidence()) != 2 {
			t.Fatalf("%d pieces of evidence, want 2", len(m.Evidence()))
		}
		for _, e := range m.Evidence() {
			must(t, e.Verify(f.Genesis))
		}
	}
	honest := Evidence{A: first.Header, B: fork.Header}
	if err := honest.Verify(f.Genesis); err == nil {
		t.Error("two records that follow each other convict")
	}
	forged := m.Evidence()[0]
	forged.B.Time++
	if err := forged.Verify(f.Genesis); !errors.Is(err, blockstore.ErrCorrupt) {
		t.Errorf("forged evidence: %v", err)
	}
}

// TestBookSurvivesDamage spoils or loses each file of a book: the copy answers,
// and both are whole again.
func TestBookSurvivesDamage(t *testing.T) {
	f := testFounder(t)
	b, dir := testBook(t, f)
	must(t, b.Submit(t.Context(), testJoin(t, f, testInvitation(t, f, 5, testNow+100), 1, 1)))
	for _, name := range []string{genesisFile, recordFile, registerFile, founderFile} {
		for _, path := range []string{filepath.Join(dir, name), filepath.Join(dir, name+copySuffix)} {
			whole, err := os.ReadFile(path)
			must(t, err)
			for at := 0; at <= len(whole); at += 1 + len(whole)/20 {
				spoilt := append([]byte(nil), whole...)
				if at < len(whole) {
					spoilt[at] ^= 4
					must(t, os.WriteFile(path, spoilt, 0o600))
				} else {
					must(t, os.Remove(path))
				}
				b := reopened(t, dir)
				if b.Current().Header.Epoch != 2 || b.Founder() == nil {
					t.Fatalf("%s damaged at %d: %+v", path, at, b.Current().Header)
				}
				if name == founderFile {
					must(t, os.WriteFile(path, whole, 0o600))
				}
				if now, err := os.ReadFile(path); err != nil || string(now) != string(whole) {
					t.Fatalf("%s damaged at %d is not put right: %v", path, at, err)
				}
			}
		}
		for _, path := range []string{filepath.Join(dir, name), filepath.Join(dir, name+copySuffix)} {
			must(t, os.WriteFile(path, []byte("neither is what it was, and there are more than 32 bytes"), 0o600))
		}
		if _, err := OpenBook(dir, clock); !errors.Is(err, blockstore.ErrCorrupt) && !errors.Is(err, blockstore.ErrFormat) {
			t.Errorf("%s and its copy damaged: %v", name, err)
		}
		must(t, os.RemoveAll(dir))
		must(t, os.Mkdir(dir, 0o700))
		b, err := CreateBook(dir, f, testEntry(t, f, 0, 1), clock)
		must(t, err)
		must(t, b.Submit(t.Context(), testJoin(t, f, testInvitation(t, f, 5, testNow+100), 1, 1)))
	}
}

// TestUnfinishedBookIsNone loses the genesis, which is written last: what a
// crash in the middle of joining leaves is no swarm, and joining can be done
// again.
func TestUnfinishedBookIsNone(t *testing.T) {
	f := testFounder(t)
	_, dir := testBook(t, f)
	must(t, os.Remove(filepath.Join(dir, genesisFile)))
	must(t, os.Remove(filepath.Join(dir, genesisFile+copySuffix)))
	if _, err := OpenBook(dir, clock); !errors.Is(err, ErrNoSwarm) {
		t.Errorf("%v", err)
	}
	_, err := CreateBook(dir, f, testEntry(t, f, 0, 1), clock)
	must(t, err)
}
