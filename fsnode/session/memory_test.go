package session

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func fresh(t *testing.T, size int) *Memory {
	t.Helper()
	m, err := New(size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// reopened returns the same memory as another process would see it.
func reopened(t *testing.T, m *Memory) *Memory {
	t.Helper()
	fd, err := unix.FcntlInt(m.File().Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	n, err := Open(os.NewFile(uintptr(fd), "session"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

func replayed(t *testing.T, m *Memory, from uint64) []string {
	t.Helper()
	var out []string
	err := m.Replay(from, func(_ uint64, meta, data []byte) error {
		out = append(out, fmt.Sprintf("%s %d", meta, len(data)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestLogGoesRound appends several times what the ring holds, and looks at it
// as a second process after each record.
func TestLogGoesRound(t *testing.T) {
	m := fresh(t, 64<<10)
	other := reopened(t, m)
	var kept []string
	var ends []uint64
	for i := range 500 {
		meta, data := []byte(fmt.Sprint("record ", i)), bytes.Repeat([]byte{byte(i)}, i*7%3000)
		for m.Room() < frame+len(meta)+len(data) {
			if err := m.Trim(ends[0]); err != nil {
				t.Fatal(err)
			}
			kept, ends = kept[1:], ends[1:]
		}
		end, err := m.Append(meta, data)
		if err != nil {
			t.Fatal(err)
		}
		kept, ends = append(kept, fmt.Sprintf("%s %d", meta, len(data))), append(ends, end)
		from := other.field(atTail).Load()
		if got := replayed(t, other, from); fmt.Sprint(got) != fmt.Sprint(kept) {
			t.Fatalf("after record %d: %v, want %v", i, got, kept)
		}
	}
}

func TestUnpublishedRecordDoesNotCount(t *testing.T) {
	m := fresh(t, 64<<10)
	if _, err := m.Append([]byte("one"), nil); err != nil {
		t.Fatal(err)
	}
	if err := m.write(m.Head(), []byte("a record cut off by a kill")); err != nil {
		t.Fatal(err)
	}
	if got := replayed(t, reopened(t, m), 0); fmt.Sprint(got) != "[one 0]" {
		t.Fatal(got)
	}
}

// TestBarrier: a log is not replayed upon a state that lacks what only that
// state has.
func TestBarrier(t *testing.T) {
	m := fresh(t, 64<<10)
	before, _ := m.Append([]byte("one"), nil)
	after := m.Barrier()
	if _, err := m.Append([]byte("two"), nil); err != nil {
		t.Fatal(err)
	}
	nothing := func(uint64, []byte, []byte) error { return nil }
	for _, from := range []uint64{0, before} {
		if err := m.Replay(from, nothing); !errors.Is(err, ErrUnsound) {
			t.Errorf("replay from %d: %v", from, err)
		}
	}
	if got := replayed(t, m, after); fmt.Sprint(got) != "[two 0]" {
		t.Error(got)
	}
	if err := m.Trim(after); err != nil {
		t.Fatal(err)
	}
	if err := m.Replay(0, nothing); !errors.Is(err, ErrUnsound) {
		t.Errorf("replay of what was trimmed: %v", err)
	}
}

func TestSlotsAndTable(t *testing.T) {
	m := fresh(t, 64<<10)
	a, b := Request{ID: 10, Slot: m.NewSlot()}, Request{ID: 12, Slot: m.NewSlot()}
	m.Applied(a, 7)
	m.Applied(b, 8)
	a.ID = 14
	m.Applied(a, 9)
	m.Applied(Request{}, 1)
	other := reopened(t, m)
	if got := other.Results(); len(got) != 2 || got[12] != 8 || got[14] != 9 {
		t.Error(got)
	}
	for _, text := range []string{"first", "", "second and longer"} {
		if !m.SetTable([]byte(text)) || string(other.Table()) != text {
			t.Errorf("table is %q, want %q", other.Table(), text)
		}
	}
	if m.SetTable(make([]byte, TableMax+1)) || string(other.Table()) != "second and longer" {
		t.Error("a table that does not fit was taken")
	}
}

// TestForeignMemory: bytes from another process are looked at before use.
func TestForeignMemory(t *testing.T) {
	m := fresh(t, 64<<10)
	if _, err := m.Append([]byte("one"), nil); err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{atMagic, atRing, atTail} {
		was := m.field(at).Load()
		m.field(at).Store(1 << 40)
		fd, _ := unix.FcntlInt(m.File().Fd(), unix.F_DUPFD_CLOEXEC, 0)
		if _, err := Open(os.NewFile(uintptr(fd), "session")); !errors.Is(err, ErrUnsound) {
			t.Errorf("field %d: %v", at, err)
		}
		m.field(at).Store(was)
	}
	if err := m.write(8, []byte{0xff, 0xff, 0xff, 0xff}); err != nil {
		t.Fatal(err)
	}
	if err := m.Replay(0, func(uint64, []byte, []byte) error { return nil }); !errors.Is(err, ErrUnsound) {
		t.Errorf("a record longer than the log: %v", err)
	}
}
