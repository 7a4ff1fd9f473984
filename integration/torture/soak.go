package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	loads      = 3                      // processes that work on the mount
	pace       = 100 * time.Millisecond // between the cycles of one
	careEvery  = 45 * time.Second
	sampleTime = 10 * time.Second
)

// soak keeps a drive under load and samples its daemon.
type soak struct {
	drive   *drive
	every   time.Duration // between samples
	samples []sample
	said    func(format string, args ...any)
}

// run returns when ctx has ended and the load with it, with the first thing
// that went wrong. Nothing that it starts is cut short.
func (s *soak) run(ctx context.Context) error {
	lasting := context.WithoutCancel(ctx)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var work sync.WaitGroup
	for n := range loads {
		l, err := s.drive.startLoad(lasting, fmt.Sprintf("load-%d", n), 0, pace)
		if err != nil {
			cancel(err)
			break
		}
		work.Go(func() {
			select {
			case err := <-l.done:
				cancel(errors.Join(err, errors.New("a load ended by itself")))
			case <-ctx.Done():
				l.stop.Close()
				if err := <-l.done; err != nil {
					cancel(err)
				}
			}
		})
	}
	work.Go(func() { s.repeat(ctx, cancel, careEvery, s.care) })
	start := time.Now()
	s.repeat(ctx, cancel, s.every, func(context.Context, int) error {
		one, err := take(lasting, s.drive, start)
		s.samples = append(s.samples, one)
		return err
	})
	work.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// repeat calls fn each time that pause has passed, with the number of the
// call, until ctx ends.
func (s *soak) repeat(ctx context.Context, fail context.CancelCauseFunc, pause time.Duration, fn func(context.Context, int) error) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := fn(context.WithoutCancel(ctx), n); err != nil {
			fail(err)
			return
		}
	}
}

// care does what an owner does now and then: sync, snapshot, forget, look.
func (s *soak) care(ctx context.Context, n int) error {
	name := fmt.Sprintf("soak-%d", n)
	for _, args := range [][]string{
		{"sync", s.drive.dir},
		{"snapshot", name},
		{"cache", "drop"},
		{"diff", name, fmt.Sprintf("soak-%d", n-1)},
		{"snapshot", "--delete", fmt.Sprintf("soak-%d", n-1)},
		{"prune", "--keep", "8"},
	} {
		if n == 1 && (args[0] == "diff" || len(args) == 3 && args[0] == "snapshot") {
			continue // there is no older one
		}
		if _, err := s.drive.run(ctx, args...); err != nil {
			return err
		}
	}
	s.said("soak: %d snapshots taken, %d samples", n, len(s.samples))
	return nil
}

// settled returns a sample once no handle is open any more.
func settled(ctx context.Context, d *drive) (sample, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		one, err := take(context.WithoutCancel(ctx), d, time.Now())
		if err != nil || one.Open == 0 {
			return one, err
		}
		select {
		case <-ctx.Done():
			return one, fmt.Errorf("%d handles are open and nobody uses the mount", one.Open)
		case <-tick.C:
		}
	}
}
