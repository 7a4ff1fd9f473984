package main

import (
	"runtime"
	"syscall"
	"time"

	"pifs/blockstore"
	"pifs/integration/bench/job"
)

// budget measures what one core does of the write pipeline in memory, with size
// bytes: chunk, seal and encode. It returns bytes per second of processor time, which other
// processes do not disturb as much as the clock; no mount that has one core
// can write faster than that.
func budget(size int64) (float64, error) {
	data, err := job.Random.Bytes(size, 0)
	if err != nil {
		return 0, err
	}

	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var scope blockstore.Secret
	scope[0] = 1
	class, err := blockstore.Phi.ClassFor(5)
	if err != nil {
		return 0, err
	}
	chunker, err := blockstore.NewChunker(scope)
	if err != nil {
		return 0, err
	}
	sealer, coder := blockstore.NewSealer(scope), blockstore.NewCoder()
	var block []byte
	start := processorTime()
	for rest := data; len(rest) > 0; {
		n := chunker.Cut(rest, 0)
		if n == 0 {
			n = len(rest)
		}
		var ref blockstore.Ref
		if block, ref, err = sealer.Seal(block[:0], rest[:n]); err != nil {
			return 0, err
		}
		_, shards, err := coder.Encode(class, ref.Address, block)
		if err != nil {
			return 0, err
		}
		shards.Release()
		rest = rest[n:]
	}
	return float64(len(data)) / (processorTime() - start).Seconds(), nil
}

// processorTime returns what this process has used so far.
func processorTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0 // can not be: the arguments are right
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
