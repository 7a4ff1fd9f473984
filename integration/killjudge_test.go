package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// account is what became of one writer's steps in a crash.
type account struct {
	pages []page
	acked int    // steps that must be there
	began int    // the last step of which something must have been there
	whole int    // steps that may have been there completely
	final *world // what was found; nil if it is no state of the writer
}

// killJudge compares every writer's folder with all states that it may be in:
// those between the last acknowledged step and the last one begun. It then
// compares the writers with each other: what ended before something that is
// there began must be there too. What was found becomes the writers' next
// world.
func killJudge(state, mnt string, writers int, seed uint64, round int) error {
	if err := onlyFolders(mnt, writers); err != nil {
		return err
	}
	synced, err := lastSync(state)
	if err != nil {
		return err
	}
	var all []*account
	for n := range writers {
		a, err := settleAccount(state, filepath.Join(mnt, folderName(n)), n, seed, round, synced)
		if err != nil {
			return fmt.Errorf("writer %d, seed %d, round %d: %w", n, seed, round, err)
		}
		all = append(all, a)
		fmt.Printf("%d %d %d\n", len(a.pages)-1, a.acked, a.whole)
	}
	if err := onePrefix(all); err != nil {
		return fmt.Errorf("seed %d, round %d: %w", seed, round, err)
	}
	for n, a := range all {
		if err := saveWorld(worldPath(state, n), a.final); err != nil {
			return err
		}
	}
	return nil
}

// onlyFolders checks that nothing but the writers' folders and what other
// parts of a campaign keep is in the volume.
func onlyFolders(mnt string, writers int) error {
	var known []string
	for n := range writers {
		known = append(known, folderName(n))
	}
	ents, err := os.ReadDir(mnt)
	if err != nil {
		return err
	}
	for _, e := range ents {
		if !slices.Contains(known, e.Name()) && !strings.HasPrefix(e.Name(), "kept-") {
			return fmt.Errorf("%s is in the volume, and nobody put it there", e.Name())
		}
	}
	return nil
}

// lastSync returns when the last sync that ended began, 0 if none did.
func lastSync(state string) (int64, error) {
	pages, err := readDiary(syncDiary(state))
	var at int64
	for _, p := range pages {
		if p.End != 0 {
			at = p.Begin
		}
	}
	return at, err
}

func settleAccount(state, root string, writer int, seed uint64, round int, synced int64) (*account, error) {
	a := &account{}
	var err error
	if a.pages, err = readDiary(diaryPath(state, writer)); err != nil {
		return nil, err
	}
	w, err := loadWorld(worldPath(state, writer))
	if err != nil {
		return nil, err
	}
	steps := make([]step, len(a.pages))
	s := newScript(seed, writer, round, clone(w))
	for n := 1; n < len(steps); n++ {
		steps[n] = s.next()
		if p := a.pages[n]; p.End != 0 && (steps[n].syncs() || p.End < synced) {
			a.acked = n
		}
	}
	found, err := observe(root)
	if err != nil {
		return nil, err
	}
	return a, a.match(w, steps, found)
}

// match walks through all states and keeps those that look like found. The
// kernel may cut a write at any page and send the parts one after the other:
// if no whole number of steps fits, a state in the middle of a write may.
func (a *account) match(w *world, steps []step, found *world) error {
	var first, last string
	now := clone(w)
	for n := range steps {
		now.apply(steps[n])
		if n < a.acked {
			continue
		}
		if last = difference(found, now); last == "" {
			a.fits(n, n, now)
		}
		if n == a.acked {
			first = last
		}
	}
	if a.final == nil && !a.matchTorn(clone(w), steps, found) {
		return fmt.Errorf("no state from step %d (acknowledged: %v) to step %d (the last begun: %v) is what was found: with the first, %s; with the last, %s",
			a.acked, steps[a.acked], len(steps)-1, steps[len(steps)-1], first, last)
	}
	return nil
}

// matchTorn looks for found among the states in the middle of a write.
func (a *account) matchTorn(now *world, steps []step, found *world) bool {
	const page = 4096
	for n, one := range steps {
		if one.Op == "write" && n > a.acked {
			for cut := page - one.Off%page; cut < int64(len(one.Data)); cut += page {
				part := one
				part.Data = one.Data[:cut]
				now.apply(part)
				if difference(found, now) == "" {
					a.fits(n, n-1, now)
					return true
				}
			}
		}
		now.apply(one)
	}
	return false
}

// fits notes a state that was found: step began at the latest is in it, and
// all up to whole are.
func (a *account) fits(began, whole int, now *world) {
	if a.final == nil {
		a.began = began
	}
	a.whole = whole
	a.final = clone(now)
}

// onePrefix checks that what survived of all writers together is a prefix of
// what was done.
func onePrefix(all []*account) error {
	for i, b := range all {
		began := b.pages[b.began].Begin
		for j, a := range all {
			for n := a.whole + 1; n < len(a.pages); n++ {
				if end := a.pages[n].End; end != 0 && end < began {
					return fmt.Errorf("step %d of writer %d is there, step %d of writer %d is not, and ended %d µs before",
						b.began, i, n, j, (began-end)/1000)
				}
			}
		}
	}
	return nil
}

// clone returns a copy that shares nothing.
func clone(w *world) *world {
	out := newWorld()
	out.Next = w.Next
	for path, n := range w.Names {
		out.Names[path] = n
	}
	for n, t := range w.Nodes {
		out.Nodes[n] = &thing{Mode: t.Mode, Data: slices.Clone(t.Data), Linked: t.Linked}
	}
	return out
}
