package cli

import (
	"errors"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"pifs/blockstore"
	"pifs/cache"
	"pifs/fsnode"
)

func diskOf(total, free int64, stores int, home bool) diskUse {
	return diskUse{DiskRoom: blockstore.DiskRoom{Total: uint64(total), Free: uint64(free)}, stores: stores, home: home}
}

// What room says fits when nothing is in the journal as well, and little more
// does not.
func TestRoomIsWhatFits(t *testing.T) {
	class := blockstore.Class{K: 3, N: 5}
	rapid.Check(t, func(t *rapid.T) {
		disks := []diskUse{diskOf(1<<50, 1<<49, 0, true)} // the home is no limit
		stores := 0
		for range rapid.IntRange(1, 5).Draw(t, "disks") {
			total := rapid.Int64Range(1<<20, 1<<42).Draw(t, "total")
			n := rapid.IntRange(1, 3).Draw(t, "stores")
			disks = append(disks, diskOf(total, rapid.Int64Range(0, total).Draw(t, "free"), n, false))
			stores += n
		}
		r := int64(room(disks, class, stores))
		if r > 0 && !fits(disks, class, stores, r-r/1000-1) {
			t.Errorf("%d bytes of room, and they do not fit", r)
		}
		if fits(disks, class, stores, r+r/1000+2) {
			t.Errorf("%d bytes of room, and more fits", r)
		}
	})
}

func TestRoomCountsTheFullestStore(t *testing.T) {
	class := blockstore.Class{K: 3, N: 5}
	const gib = 1 << 30
	var disks []diskUse
	for range 4 {
		disks = append(disks, diskOf(100*gib, 50*gib, 1, false))
	}
	disks = append(disks, diskOf(100*gib, gib+256<<20, 1, false))
	if r := room(disks, class, 5); r < 29*gib/10 || r > 3*gib {
		t.Errorf("room for %d bytes where one store takes 1 GiB of shards", r)
	}
	if r := room([]diskUse{diskOf(100*gib, 10*gib+256<<20, 5, true)}, class, 5); r < 58*gib/10 || r > 6*gib {
		t.Errorf("room for %d bytes on one disk of 10 GiB", r)
	}
	if r := room(nil, class, 5); r != 0 {
		t.Errorf("room for %d bytes without a disk", r)
	}
}

// A space whose disk has 100 MiB beyond its reserve, on which all of a home
// lies.
func smallSpace() (s *space, used *int64) {
	used = new(int64)
	s = newSpace(make([]string, 5), nil, blockstore.Class{K: 3, N: 5})
	s.measure = func() ([]diskUse, error) {
		return []diskUse{diskOf(1<<30, 228<<20-*used, 5, true)}, nil
	}
	return s, used
}

func TestAdmitCountsWhatIsFresh(t *testing.T) {
	s, used := smallSpace()
	admitted := int64(0)
	fresh := cache.NewFresh(s.Fresh())
	var err error
	for admitted < 200<<20 {
		if err = s.Admit(1 << 20); err != nil {
			break
		}
		fresh.Write(admitted, make([]byte, 1<<20))
		admitted += 1 << 20
	}
	if !errors.Is(err, fsnode.ErrWouldBlock) || admitted < 36<<20 || admitted > 38<<20 { // 100 MiB / (5/3 + 1)
		t.Fatalf("%d MiB admitted, then %v", admitted>>20, err)
	}
	fresh.Release()
	*used = admitted * 5 / 3 // all of it was stored, and nothing is in the journal any more
	s.attempted(s.changes.Load())
	if err := s.Admit(10 << 20); err != nil {
		t.Errorf("no room for 10 MiB after the journal was freed: %v", err)
	}
	*used = 99 << 20
	s.attempted(s.changes.Load())
	if err := s.Admit(1 << 20); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("admitted on a full disk: %v", err)
	}
}

// A writer waits for an attempt to make room, but not for one that would be
// as fruitless as the one before.
func TestWaitForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, used := smallSpace()
		*used = 100 << 20
		if err := s.Admit(1); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("nobody makes room, and a writer is told %v", err)
		}
		s.watch(true)
		if err := s.Admit(1); !errors.Is(err, fsnode.ErrWouldBlock) {
			t.Fatalf("there is hope, and a writer is told %v", err)
		}
		waited := make(chan struct{})
		go func() {
			s.Wait(t.Context())
			close(waited)
		}()
		synctest.Wait()
		select {
		case <-waited:
			t.Error("the writer did not wait")
		default:
		}
		changes, worth := s.attempt()
		if !worth {
			t.Error("the first attempt is not worth it")
		}
		*used = 0
		s.attempted(changes)
		<-waited
		if err := s.Admit(1); err != nil {
			t.Errorf("after room was made: %v", err)
		}
		*used = 100 << 20
		s.attempted(changes)
		if err := s.Admit(1); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("nothing changed, and a writer is told %v", err)
		}
		s.Freed()
		if err := s.Admit(1); !errors.Is(err, fsnode.ErrWouldBlock) {
			t.Errorf("something was removed, and a writer is told %v", err)
		}
		s.watch(false)
	})
}

func TestForgettableHeads(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	heads := []fsnode.HeadInfo{
		{Seq: 1, Time: now.Add(-50 * time.Hour), Forgotten: true},
		{Seq: 2, Time: now.Add(-40 * time.Hour)},
		{Seq: 3, Time: now.Add(-30 * time.Hour), Label: "kept"},
		{Seq: 4, Time: now.Add(-20 * time.Hour)},
		{Seq: 5, Time: now.Add(-10 * time.Hour)},
		{Seq: 6, Time: now.Add(-5 * time.Hour)},
	}
	cases := []struct {
		keep   int
		within time.Duration
		want   []uint64
	}{
		{0, 0, []uint64{2, 4, 5}}, // the newest stays
		{1, 0, []uint64{2, 4, 5}},
		{2, 0, []uint64{2, 4}},
		{9, 0, []uint64{}},
		{0, 21 * time.Hour, []uint64{2}},
		{1, 11 * time.Hour, []uint64{2, 4}},
		{3, time.Hour, []uint64{2}},
	}
	for _, c := range cases {
		if got := forgettable(heads, c.keep, c.within, now); !slices.Equal(got, c.want) {
			t.Errorf("keep %d, within %v: %v, want %v", c.keep, c.within, got, c.want)
		}
	}
}

func TestOldestHeadsGoFirst(t *testing.T) {
	all := []oldHead{{"a", 3, 30}, {"b", 1, 5}, {"a", 1, 10}, {"b", 2, 40}, {"a", 2, 20}}
	got := oldest(slices.Clone(all))
	if want := []oldHead{{"b", 1, 5}, {"a", 1, 10}, {"a", 2, 20}}; !slices.Equal(got, want) {
		t.Errorf("oldest half: %v", got)
	}
	if got := oldest(nil); len(got) != 0 {
		t.Errorf("of none: %v", got)
	}
}
