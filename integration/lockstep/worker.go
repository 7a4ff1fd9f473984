package lockstep

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Serve is an actor's process: it becomes the user, with two groups, reads
// steps from r, does them on both sides, and writes their outcomes to w, until
// r ends.
func Serve(user int, r io.Reader, w io.Writer) error {
	if err := become(user); err != nil {
		return err
	}
	sides := [2]*side{newSide(), newSide()}
	in, out := json.NewDecoder(r), json.NewEncoder(w)
	for {
		var step Step
		if err := in.Decode(&step); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("read step: %w", err)
		}
		var both Both
		for i, s := range sides {
			both[i] = s.do(&step, i)
		}
		if err := out.Encode(both); err != nil {
			return fmt.Errorf("write outcome: %w", err)
		}
	}
}

// sharedGroup is a group of all actors that are not root.
const sharedGroup = 2000

func become(user int) error {
	if user == 0 {
		return nil
	}
	if err := syscall.Setgroups([]int{user, sharedGroup}); err != nil {
		return fmt.Errorf("set groups: %w", err)
	}
	if err := syscall.Setgid(user); err != nil {
		return fmt.Errorf("set group %d: %w", user, err)
	}
	if err := syscall.Setuid(user); err != nil {
		return fmt.Errorf("set user %d: %w", user, err)
	}
	// /proc/self/fd is for those who can be traced only.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set dumpable: %w", err)
	}
	return nil
}

// do carries out a step on one side.
func (s *side) do(step *Step, i int) Outcome {
	looks := s.looks(step)
	for i := range looks {
		looks[i].prepare()
	}
	var o Outcome
	var err error
	switch step.Op {
	case Begin:
		err = s.begin(string([][]byte{step.Path, step.Path2}[i]))
	case Tree:
		o.Data, err = describeTree(string([][]byte{step.Path, step.Path2}[i]), step.Flags&NoLinks == 0)
	case Remove:
		err = os.RemoveAll(string([][]byte{step.Path, step.Path2}[i]))
	default:
		o.Ret, o.Data, err = s.call(step)
	}
	o.Errno = errnoName(err)
	for i := range looks {
		o.Seen = append(o.Seen, looks[i].describe())
	}
	return o
}

// Difference says where two outcomes part; empty: nowhere.
func (b *Both) Difference() string {
	x, y := &b[0], &b[1]
	var out []string
	note := func(what string, a, b any) { out = append(out, fmt.Sprintf("%s: %v | %v", what, a, b)) }
	if x.Errno != y.Errno {
		note("errno", x.Errno, y.Errno)
	}
	if x.Ret != y.Ret {
		note("returned", x.Ret, y.Ret)
	}
	if x.Data != y.Data {
		note("data", firstDifference(x.Data, y.Data), firstDifference(y.Data, x.Data))
	}
	for i := range max(len(x.Seen), len(y.Seen)) {
		if a, b := at(x.Seen, i), at(y.Seen, i); !alike(a, b) {
			note("seen", a, b)
		}
	}
	return strings.Join(out, "\n")
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "nothing"
}

// alike compares two descriptions; a time with a "?" is like any.
func alike(a, b string) bool {
	x, y := strings.Fields(a), strings.Fields(b)
	return slices.EqualFunc(x, y, func(a, b string) bool {
		if a == b {
			return true
		}
		name, isTime := strings.CutSuffix(a, "?")
		if !isTime {
			name, isTime = strings.CutSuffix(b, "?")
		}
		return isTime && strings.HasPrefix(a, name) && strings.HasPrefix(b, name)
	})
}

// firstDifference returns the first line of a that b does not have at that
// place.
func firstDifference(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i, line := range x {
		if i >= len(y) || y[i] != line {
			return line
		}
	}
	return "nothing more"
}
