// Package job is what the children of a measurement do on a mount: a process
// that measures must not itself wait for what it measures.
//
// A child prepares, says "ready", waits for a line, works, and says "done".
// What lies between the line and "done" is what is measured, so neither the
// start of a process nor the making of its data counts.
package job

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
)

// Spec says what a child is to do. What the fields mean stands beside each
// kind of job; sizes are in bytes.
type Spec struct {
	Do    string // the kind
	Path  string // file or folder to work on
	From  string // folder that is like Path
	Size  int64
	Block int64
	Count int64
	First int64  // number of the first of Count
	Every int64  // how many between two fsyncs; 0: none
	Apart int64  // how far places are from each other at least; 0: Block
	Data  Data   // of what is written
	Seed  uint64 // of data and of random places
}

const (
	ready = "ready"
	done  = "done"
)

// work is a job that is prepared.
type work func() error

// kinds are the jobs. Each prepares and returns the rest.
func kinds() map[string]func(Spec) (work, error) {
	return map[string]func(Spec) (work, error){
		"write":       write,
		"read":        read,
		"read-random": readRandom,
		"overwrite":   overwrite,
		"append":      appendRecords,
		"create":      create,
		"touch":       touch,
		"fill":        fill,
		"first-entry": firstEntry,
		"names":       names,
		"stat-like":   statLike,
		"stat-some":   statSome,
		"forget":      forget,
		"occupy":      occupy,
	}
}

// parse prepares the job that is encoded in spec.
func parse(spec string) (work, error) {
	var s Spec
	if err := json.Unmarshal([]byte(spec), &s); err != nil {
		return nil, fmt.Errorf("parse job: %w", err)
	}
	prepare := kinds()[s.Do]
	if prepare == nil {
		return nil, fmt.Errorf("there is no job %q", s.Do)
	}
	do, err := prepare(s)
	if err != nil {
		return nil, fmt.Errorf("prepare %s: %w", s.Do, err)
	}
	return func() error {
		if err := do(); err != nil {
			return fmt.Errorf("%s: %w", s.Do, err)
		}
		return nil
	}, nil
}

// Do does the job that is encoded in spec at once.
func Do(spec string) error {
	do, err := parse(spec)
	if err != nil {
		return err
	}
	return do()
}

// Serve does the job that is encoded in spec, as Run wants it.
func Serve(spec string, in io.Reader, out io.Writer) error {
	do, err := parse(spec)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, ready)
	if _, err := bufio.NewReader(in).ReadString('\n'); err != nil {
		return fmt.Errorf("wait for the beginning: %w", err)
	}
	if err := do(); err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, done)
	return err
}
