package integration

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"pifs/integration/lockstep"
)

// TestLockstep carries out random calls of several processes on a mount and on
// the disk, and compares after each one what it returned, what the files it
// names look like, and in the end everything. Syncs, dropped caches, new
// mounts and snapshots come in between, on the mount only.
//
// One night of it, with other seeds each time:
//
//	PIFS_LOCKSTEP_TIME=8h go test ./integration -run TestLockstep -timeout 0
//
// A failure prints the steps, shrunk, and how to run them again.
func TestLockstep(t *testing.T) {
	l := newLockstep(t)
	started := time.Now()
	limit := time.Duration(0)
	if text := os.Getenv("PIFS_LOCKSTEP_TIME"); text != "" {
		var err error
		if limit, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	for again := true; again && !t.Failed(); again = time.Since(started) < limit {
		rapid.Check(t, l.attempt)
	}
	t.Logf("%d steps in %d histories, %d calls succeeded", l.steps, l.attempts, l.succeeded)
	if l.succeeded < l.steps/4 {
		t.Errorf("only %d of %d steps did anything", l.succeeded, l.steps)
	}
	if o := l.d.try("check"); o.status != 0 {
		t.Errorf("check: status %d: %s%s", o.status, o.stdout, o.stderr)
	}
}

// historySteps is the length of a history, before shrinking makes most of its
// steps opNothing.
const historySteps = 150

// stepLimit is how long one step may take, on both sides.
const stepLimit = time.Minute

// lockstepUsers are the users of the actors. The last one only looks at trees:
// whoever closes a file loses their locks on it.
func lockstepUsers() []int { return []int{0, 1000, 1001, 0} }

// observer is the actor that looks at trees.
const observer = 3

// lockstepRun is a mount, a directory on the disk, and the actors.
type lockstepRun struct {
	t         *testing.T
	d         *drive
	reference string
	actors    []*lockstepActor

	attempts, steps, succeeded int
	snapshots                  map[string]string // by name: the tree at that time
}

func newLockstep(t *testing.T) *lockstepRun {
	d := mounted(t, "--allow-other")
	base := filepath.Dir(d.dir)
	// Actors that are not root must get through to both sides.
	for _, dir := range []string{base, os.TempDir()} {
		if err := os.Chmod(dir, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	l := &lockstepRun{t: t, d: d, reference: filepath.Join(base, "reference")}
	if err := os.Mkdir(l.reference, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, user := range lockstepUsers() {
		l.actors = append(l.actors, startActor(t, user))
	}
	return l
}

// lockstepActor is the process of an actor.
type lockstepActor struct {
	in  *json.Encoder
	out chan lockstep.Both // closed when the process ended
}

func startActor(t *testing.T, user int) *lockstepActor {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", strconv.Itoa(user))
	cmd.Env = append(os.Environ(), jobVariable+"=lockstep")
	cmd.Dir, cmd.Stderr = "/", os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	a := &lockstepActor{in: json.NewEncoder(stdin), out: make(chan lockstep.Both)}
	done := make(chan struct{})
	go a.receive(stdout, done)
	t.Cleanup(func() {
		close(done)
		stdin.Close()
		timer := time.AfterFunc(stepLimit, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
		if err := cmd.Wait(); err != nil && !t.Failed() {
			t.Errorf("actor of user %d: %v", user, err)
		}
	})
	return a
}

func (a *lockstepActor) receive(r io.Reader, done <-chan struct{}) {
	defer close(a.out)
	for in := json.NewDecoder(r); ; {
		var both lockstep.Both
		if in.Decode(&both) != nil {
			return
		}
		select {
		case a.out <- both:
		case <-done:
			return
		}
	}
}

// do has an actor carry out a step.
func (l *lockstepRun) do(r rapid.TB, step lockstep.Step) lockstep.Both {
	a := l.actors[step.Actor]
	if err := a.in.Encode(step); err != nil {
		r.Fatalf("%v: %v", step, err)
	}
	select {
	case both, ok := <-a.out:
		if !ok {
			l.t.Fatalf("%v: the actor's process ended", step)
		}
		return both
	case <-time.After(stepLimit):
		l.t.Fatalf("%v: not done within %v", step, stepLimit)
	}
	return lockstep.Both{}
}

// sides returns the two directories of this attempt.
func (l *lockstepRun) sides() (mount, reference []byte) {
	name := fmt.Sprint("attempt-", l.attempts)
	return []byte(filepath.Join(l.d.dir, name)), []byte(filepath.Join(l.reference, name))
}

// begin has all actors close what they have open, and go on in this attempt's
// directories, or nowhere.
func (l *lockstepRun) begin(r rapid.TB, somewhere bool) {
	for i := range l.actors {
		step := lockstep.Step{Actor: i, Op: lockstep.Begin}
		if somewhere {
			step.Path, step.Path2 = l.sides()
		}
		for side, o := range l.do(r, step) {
			if o.Errno != "" {
				path := string([][]byte{step.Path, step.Path2}[side])
				r.Fatalf("actor %d: begin in %q: %s%s", i, path, o.Errno, modesAbove(path))
			}
		}
	}
}

// modesAbove describes path and all folders above it.
func modesAbove(path string) (text string) {
	for ; path != "" && path != "/"; path = filepath.Dir(path) {
		fi, err := os.Lstat(path)
		if err != nil {
			return text + "\n" + err.Error()
		}
		text += fmt.Sprintf("\n%v %s", fi.Mode(), path)
	}
	return text
}

// tree describes both sides, and fails if they differ.
func (l *lockstepRun) tree(r rapid.TB) {
	step := lockstep.Step{Actor: observer, Op: lockstep.Tree}
	step.Path, step.Path2 = l.sides()
	both := l.do(r, step)
	if diff := both.Difference(); diff != "" {
		r.Fatalf("the trees differ: mount | disk\n%s", diff)
	}
}

// attempt is one random history.
func (l *lockstepRun) attempt(r *rapid.T) {
	steps := rapid.SliceOfN(rapid.Custom(drawStep), historySteps, historySteps).Draw(r, "steps")
	l.attempts++
	l.snapshots = map[string]string{}
	l.begin(r, true)
	for i, step := range append(firstSteps(), steps...) {
		if step.Op == opNothing {
			continue
		}
		if special := l.special(step.Op); special != nil {
			r.Logf("%d %s", i, step.Op)
			special(r)
			continue
		}
		l.steps++
		both := l.do(r, step)
		if both[0].Errno == "" {
			l.succeeded++
		}
		if diff := both.Difference(); diff != "" {
			r.Fatalf("step %d, %v\nmount | disk\n%s", i, step, diff)
		}
		r.Logf("%d %v: %d %s", i, step, both[1].Ret, both[1].Errno)
	}
	l.tree(r)
	l.begin(r, false)
	l.verifySnapshots(r)
	remove := lockstep.Step{Actor: observer, Op: lockstep.Remove}
	remove.Path, remove.Path2 = l.sides()
	if both := l.do(r, remove); both[0].Errno != "" || both[1].Errno != "" {
		r.Fatalf("remove: %q | %q", both[0].Errno, both[1].Errno)
	}
}
