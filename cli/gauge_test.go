package cli

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"pifs/blockstore"
)

// TestGauge measures a disk that answers, stops answering, and answers again:
// it counts as it was for a while, then as away, and one look at a time waits
// for it.
func TestGauge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		hangs := make(chan struct{})
		close(hangs)
		g := &gauge{measure: func() (blockstore.DiskRoom, error) {
			looks++
			<-hangs
			return blockstore.DiskRoom{Free: uint64(looks)}, nil
		}}
		room := func() (blockstore.DiskRoom, error) {
			end, cancel := context.WithTimeout(t.Context(), glance)
			defer cancel()
			g.look()
			return g.room(end.Done())
		}
		if r, err := room(); err != nil || r.Free != 1 {
			t.Fatalf("a disk that answers: %v, %v", r, err)
		}
		hangs = make(chan struct{})
		for begun := time.Now(); time.Since(begun) < lastingFor; time.Sleep(lastingFor / 4) {
			if r, err := room(); err != nil || r.Free != 1 {
				t.Errorf("it does not answer since %v: %v, %v", time.Since(begun), r, err)
			}
		}
		time.Sleep(lastingFor)
		before := time.Now()
		if _, err := room(); !errors.Is(err, errNoAnswer) || time.Since(before) != 0 {
			t.Errorf("it does not answer for long: %v after %v", err, time.Since(before))
		}
		synctest.Wait()
		if looks != 2 {
			t.Errorf("%d looks, want one that answered and one that hangs", looks)
		}
		close(hangs)
		synctest.Wait()
		if r, err := room(); err != nil || r.Free != 3 {
			t.Errorf("it answers again: %v, %v", r, err)
		}
	})
}
