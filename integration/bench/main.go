package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"pifs/integration/bench/job"
	"pifs/integration/bench/target"
)

func main() {
	err := start()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// start does what this process is for: to measure, or to be one of those that
// a measurement starts.
func start() error {
	if dir := os.Getenv(target.NullVariable); dir != "" {
		return target.ServeNull(context.Background(), dir, os.Stdin, os.Stdout)
	}
	if spec := os.Getenv(job.Variable); spec != "" {
		return job.Serve(spec, os.Stdin, os.Stdout)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o, err := parse(os.Args[1:])
	if err != nil {
		return err
	}
	if o.list {
		return list(os.Stdout, o.sizes)
	}
	return o.run(ctx)
}
