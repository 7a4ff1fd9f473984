package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	if err := start(); err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		os.Exit(1)
	}
}

func start() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if dir := os.Getenv(loadEnv); dir != "" {
		return serveLoad(context.Background(), dir) // its parent ends it
	}
	limit := flag.Duration("time", time.Hour, "how long; what runs then runs to its end")
	dir := flag.String("dir", os.TempDir(), "a folder on the disk to use; everything lies below it")
	out := flag.String("out", "integration/torture/out", "where the summary and the plot go")
	only := flag.Bool("soak", false, "the soak only, without the long tests beside it")
	names := flag.String("trials", "", "only the trials whose names match this `regexp`")
	rounds := flag.Int("rounds", 0, "how often each trial runs at most; 0 for no bound but the time")
	flag.Parse()
	list, err := choose(trials(), *names)
	if err != nil {
		return err
	}
	if *only {
		list = nil
	}
	ctx, cancel := context.WithTimeout(ctx, *limit)
	defer cancel()
	return torture(ctx, *dir, *out, list, *rounds)
}

// torture runs the soak and the trials beside each other until ctx ends, or
// for so many rounds of the trials.
func torture(ctx context.Context, dir, out string, list []trial, rounds int) error {
	logs := filepath.Join(out, "logs")
	if err := errors.Join(os.RemoveAll(logs), os.MkdirAll(logs, 0o755)); err != nil {
		return fmt.Errorf("make folder for logs: %w", err)
	}
	begun := time.Now()
	said := func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "%7.0f s  "+format+"\n", append([]any{time.Since(begun).Seconds()}, args...)...)
	}
	lasting := context.WithoutCancel(ctx)
	d, err := openDrive(lasting, dir)
	if err != nil {
		return err
	}
	s := &soak{drive: d, every: sampleTime, said: said}
	soaked, cancel := context.WithCancel(lasting)
	soakErr := make(chan error, 1)
	go func() { soakErr <- s.run(soaked) }()
	all := runTrials(ctx, list, rounds, logs, said)
	cancel()
	err = <-soakErr
	err = errors.Join(err, rested(lasting, d), d.close(lasting))
	r := newReport(time.Since(begun), s.samples, err, all)
	fmt.Print(r.markdown())
	return errors.Join(r.save(out), r.err())
}

// rested checks that a drive without users has no open handles.
func rested(ctx context.Context, d *drive) error {
	_, err := settled(ctx, d)
	return err
}
