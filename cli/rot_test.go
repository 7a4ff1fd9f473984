package cli

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pifs/cli/control"
	"pifs/fsnode"
)

const (
	// rotVariable says how many damages of each state of the home to do:
	// a number, or all.
	rotVariable = "PIFS_ROT"
	// rotSeedVariable repeats a run.
	rotSeedVariable = "PIFS_ROT_SEED"

	rotSample = 25
	rotLimit  = 2 * time.Minute // for one damage
)

// TestRot damages single files of a home, one at a time: opening says so or
// repairs it, reading gives the right bytes or an error, and after
// check --repair the home is clean, whole, and can be written.
func TestRot(t *testing.T) {
	seed, err := strconv.ParseUint(os.Getenv(rotSeedVariable), 10, 64)
	if err != nil && os.Getenv(rotVariable) != "" {
		seed = rand.Uint64() // the long form finds what is new; the short one keeps what is known
	}
	t.Logf("repeat with %s=%d", rotSeedVariable, seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	r := makeRotHomes(t)
	for _, state := range []struct {
		name, dir string
		want      map[string]tree
	}{{"closed", r.clean, r.final}, {"killed", r.killed, r.killedFinal}} {
		t.Run(state.name, func(t *testing.T) {
			todo := damagesOf(t, state.dir, r.old, rng)
			n := rotSample
			if text := os.Getenv(rotVariable); text == "all" {
				n = len(todo)
			} else if text != "" {
				n, _ = strconv.Atoi(text)
			}
			for _, d := range todo[:min(n, len(todo))] {
				t.Run(strings.NewReplacer("/", ":", " ", "-").Replace(d.String()), func(t *testing.T) {
					copyHome(t, state.dir, r.live)
					if err := d.do(r.live+"/"+d.file, r.old+"/"+d.file); err != nil {
						t.Fatal(err)
					}
					rotCase{t: t, home: r.live, damage: d, want: state.want, committed: r.final}.run()
				})
			}
		})
	}
}

// rotCase is a damaged home and what it held.
type rotCase struct {
	t               *testing.T
	said            *rotLog
	home            string
	damage          damage
	want, committed map[string]tree
}

func (c rotCase) run() {
	ctx, cancel := context.WithTimeout(c.t.Context(), rotLimit)
	defer cancel()
	c.said = &rotLog{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.steps(ctx, slog.New(slog.NewTextHandler(c.said, nil)))
	}()
	select {
	case <-done:
	case <-time.After(rotLimit):
		c.t.Fatalf("it hangs")
	}
	if c.t.Failed() {
		c.t.Logf("log:\n%s", c.said.String())
	}
}

// rotLog is what an engine and its background work log.
type rotLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *rotLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *rotLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// steps opens and reads the damaged home, repairs it, and reads it again.
func (c rotCase) steps(ctx context.Context, log *slog.Logger) {
	c.visit(ctx, "damaged", false, log, func(e *engine, name string, v *fsnode.Volume) error {
		c.compare("damaged", name, readTree(ctx, v), false)
		return nil
	})
	c.visit(ctx, "repair", true, log, nil)
	lost := c.check(ctx, "repair", true, log)
	c.visit(ctx, "repaired", false, log, func(e *engine, name string, v *fsnode.Volume) error {
		c.compare("repaired", name, readTree(ctx, v), true)
		_, err := rotVolume{ctx, v}.write(fsnode.RootIno, "afterwards", 1, 0, 20_000)
		return err
	})
	if again := c.check(ctx, "check", false, log); again != 0 && lost == 0 {
		c.t.Errorf("check after the repair finds %d problems", again)
	}
}

// visit opens the home and every volume of it. Where that fails, the error
// must be one that says what to do, and not happen after the repair.
func (c rotCase) visit(ctx context.Context, step string, repair bool, log *slog.Logger, fn func(*engine, string, *fsnode.Volume) error) {
	e, release, err := openHomeEngine(ctx, c.home, repair, log)
	if err != nil {
		c.refused(step, err)
		return
	}
	for _, name := range rotVolumes() {
		if fn == nil {
			continue
		}
		err := e.changing(ctx, name, func(v *fsnode.Volume) error { return fn(e, name, v) })
		if err != nil {
			c.refused(step, err)
		}
	}
	if err := release(); err != nil {
		c.refused(step, err)
	}
}

// refused judges an error of opening or closing.
func (c rotCase) refused(step string, err error) {
	status, _ := statusOf(err)
	if step != "damaged" {
		c.t.Errorf("%s: status %d: %v", step, status, err)
		return
	}
	if status != StatusCorrupt || !strings.Contains(oneLine(err), "pifs check --repair") {
		c.t.Errorf("%s: status %d, and not what to do: %v", step, status, err)
	}
}

// compare judges what was read. A file is right, or an error that is no lie
// about its existence; after a repair, or a reload that is told, what no head
// had may be lost.
func (c rotCase) compare(step, volume string, got tree, repaired bool) {
	uncommitted := !strings.HasPrefix(c.damage.file, "stores/")
	repaired = repaired || strings.Contains(c.said.String(), "the metadata of volume "+volume+" was lost and is loaded again")
	for path, want := range c.want[volume] {
		have, there := got[path]
		switch {
		case there && have.err == nil && have.what == want.what:
		case there && have.err != nil && !repaired && uncommitted:
		case repaired && uncommitted && have.err == nil && have.what == c.committed[volume][path].what:
		default:
			c.t.Errorf("%s: %s%s: have %q, error %v, want %q", step, volume, path, have.what, have.err, want.what)
		}
	}
	for path := range got {
		if _, ok := c.want[volume][path]; !ok {
			c.t.Errorf("%s: %s%s was never there", step, volume, path)
		}
	}
}

// check runs `pifs check` and returns the number of problems, or −1.
func (c rotCase) check(ctx context.Context, step string, repair bool, log *slog.Logger) int64 {
	e, release, err := openHomeEngine(ctx, c.home, repair, log)
	if err != nil {
		c.t.Errorf("%s: %v", step, err)
		return -1
	}
	var lines []string
	res, err := e.check(ctx, checkArgs{Repair: repair}, rotEmitter(&lines))
	if err := errors.Join(err, release()); err != nil {
		c.t.Errorf("%s: %v", step, err)
		return -1
	}
	var damaged, fixed, lost int64
	for _, v := range res.Volumes {
		damaged, fixed, lost = damaged+v.Damaged, fixed+v.Fixed, lost+v.Lost
	}
	if repair && damaged != fixed+lost {
		c.t.Errorf("%s: %d of %d were repaired: %q", step, fixed, damaged, lines)
	}
	if repair {
		return lost
	}
	if damaged > 0 {
		c.t.Logf("%q", lines)
	}
	return damaged
}

func rotEmitter(lines *[]string) emitter {
	return func(e control.Event) error {
		if e.Item != nil {
			*lines = append(*lines, string(e.Item))
		}
		return nil
	}
}
