package integration

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// moveStatus is the part of pifs status --json that says what is left to move.
type moveStatus struct {
	Class string
	Move  *struct {
		Class                string
		Home                 bool
		Blocks, Bytes, Moved int64
	}
}

func (d *drive) moveStatus() (s moveStatus) {
	d.t.Helper()
	decode(d.t, d.pifs("status", "--json"), &s)
	return s
}

// companion is a script that runs beside a test until it is told to end.
type companion struct {
	d    *drive
	cmd  *exec.Cmd
	said bytes.Buffer
	end  string
}

// beside starts a script, which is to end when the file $END is there.
func (d *drive) beside(script string) *companion {
	d.t.Helper()
	c := &companion{d: d, end: filepath.Join(d.t.TempDir(), "end")}
	c.cmd = exec.Command("sh", "-euc", script)
	c.cmd.Env = append(os.Environ(), "D="+d.dir, "END="+c.end)
	c.cmd.Stdout, c.cmd.Stderr = &c.said, &c.said
	c.cmd.WaitDelay = 5 * time.Second
	if err := c.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	return c
}

// finish ends the script and reports if it failed.
func (c *companion) finish() {
	c.d.t.Helper()
	if err := os.WriteFile(c.end, nil, 0o600); err != nil {
		c.d.t.Error(err)
	}
	timer := time.AfterFunc(deadline, func() { _ = c.cmd.Process.Kill() })
	defer timer.Stop()
	if err := c.cmd.Wait(); err != nil {
		c.d.t.Errorf("what ran beside it ended: %v\n%s", err, c.said.String())
	}
}

// mover is a home whose data moves, and what must not change by that.
type mover struct {
	*site
	files map[string]string // seeds and sizes of files, by path
	roots map[string]string
}

// check reads everything back with an empty cache, a snapshot of what was removed
// since as well, and compares the roots.
func (m *mover) check(when string) {
	m.t.Helper()
	m.pifs("cache", "drop")
	for path, what := range m.files {
		f := strings.Fields(what)
		m.job(deadline, "verify", filepath.Join(m.dir, path), f[0], f[1])
	}
	for path, want := range m.roots {
		if got := m.root(path); got != want {
			m.t.Errorf("%s: the root of %s changed from %s to %s", when, path, want, got)
		}
	}
}

// await polls for something that takes messages between nodes.
func (m *mover) await(what string, ok func() bool) {
	m.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(deadline); !ok(); <-tick.C {
		if time.Now().After(end) {
			m.t.Fatalf("%s: not within %v", what, deadline)
		}
	}
}

// classes returns the classes of a file's stripes.
func (m *mover) classes(path string) string {
	m.t.Helper()
	var info struct{ Chunks []struct{ Class string } }
	decode(m.t, m.pifs("info", "--json", filepath.Join(m.dir, path)), &info)
	all := map[string]bool{}
	for _, c := range info.Chunks {
		all[c.Class] = true
	}
	return strings.Trim(strings.TrimPrefix(fmt.Sprint(all), "map"), "[]")
}

// TestHomeMovesIntoSwarmAndOut has a home with data in its own stores join a swarm
// of five: what it has moves there by itself, through a kill -9, and beside writers
// and readers; then its stores are emptied. Three more nodes join, and every stripe
// becomes wider. With three of eight off the home leaves, mounted, and after that
// all nodes are switched off. At every moment all files read back, old heads are
// whole, and roots stay as they are; at the end also when the index has to be made
// again from the heads.
func TestHomeMovesIntoSwarmAndOut(t *testing.T) {
	user := &mover{site: newSites(t, 1)[0], files: map[string]string{}, roots: map[string]string{}}
	user.mount()
	user.job(deadline, "fill", filepath.Join(user.dir, "gone"), "3", "3000000")
	user.sh(`mkdir "$D/tree"; for i in $(seq 40); do seq $((i * 700)) > "$D/tree/$i"; done`)
	user.pifs("snapshot", "before")
	user.sh(`rm "$D/gone"`)
	user.job(deadline, "fill", filepath.Join(user.dir, "old"), "7", "33554432")
	user.pifs("sync", user.dir)
	user.files["old"] = "7 33554432"
	user.files[".pifs/snapshots/before/gone"] = "3 3000000"
	for _, path := range []string{"old", "tree", "tree/40"} {
		user.roots[path] = user.root(path)
	}
	user.umount()

	nodes := founded(t, "DE", "CH", "JP", "US", "BR")
	user.pifs("swarm", "join", strings.TrimSpace(nodes[0].pifs("swarm", "invite")))
	user.mount()
	if s := user.moveStatus(); s.Move == nil || s.Move.Home || s.Move.Blocks == 0 && s.Move.Moved == 0 {
		t.Errorf("after joining: %+v", s)
	}
	user.await("the home's data moves by itself", func() bool { return user.moveStatus().Move.Moved > 0 })
	user.kill()
	user.mount()
	writer := user.beside(`i=0; while [ ! -e "$END" ]; do i=$((i+1)); head -c 400000 /dev/urandom > "$D/new"
		sum=$(sha256sum < "$D/new"); mv "$D/new" "$D/new$((i % 20))"; [ "$(sha256sum < "$D/new$((i % 20))")" = "$sum" ]; done`)
	reader := user.beside(`sum=$(sha256sum < "$D/old"); while [ ! -e "$END" ]; do [ "$(sha256sum < "$D/old")" = "$sum" ]; done`)
	user.pifs("swarm", "move")
	writer.finish()
	reader.finish()
	user.pifs("swarm", "move")
	user.umount()
	user.sh(`rm -f "$H"/stores/*/pack-* "$H"/stores/*/index.db*`)
	user.mount()
	user.check("in the swarm")

	more := newSites(t, 3)
	invitation := strings.TrimSpace(nodes[0].pifs("swarm", "invite", "--uses", "3"))
	for i, s := range more {
		s.init([]string{"IS", "CA", "AU"}[i])
		s.pifs("swarm", "join", invitation)
		s.run()
	}
	agree(t, 9, append(append([]*site{}, nodes...), more...)...)
	user.await("the class of new stripes rises", func() bool { return user.moveStatus().Class == "(5,8)" })
	user.pifs("swarm", "move")
	if got := user.classes("old"); got != "(5,8):true" {
		t.Errorf("after the swarm grew the stripes are %s", got)
	}
	for _, n := range []*site{nodes[1], nodes[2], more[0]} {
		n.stop()
	}
	user.check("with three of eight away")

	user.pifs("swarm", "leave")
	for _, n := range append(nodes, more...) {
		n.stop()
	}
	user.check("after leaving, mounted")
	user.remount()
	user.check("after leaving")
	user.umount()
	if o := user.try("check"); o.status != 0 {
		t.Errorf("check: status %d: %s%s", o.status, o.stdout, o.stderr)
	}
	user.sh(`rm "$H"/cache/blocks.db*`)
	if o := user.try("check", "--repair"); o.status != 0 && o.status != 9 {
		t.Errorf("check --repair: status %d: %s%s", o.status, o.stdout, o.stderr)
	}
	user.mount()
	user.check("after the index was made again")
	user.umount()
}
