package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"pifs/cli/home"
	"pifs/fsnode"
)

// check verifies one volume, or all of the home.
func (e *engine) check(ctx context.Context, a checkArgs, emit emitter) (checkResults, error) {
	names := []string{a.Volume}
	if a.Volume == "" {
		names = e.volumeNames()
	}
	// A store that is back counts as it is now, not as it was at the mount.
	if err := e.stack.swarm.Reopen(ctx); err != nil {
		e.log.Warn("stores are away", "err", err)
	}
	// A head that is forgotten meanwhile keeps its blocks until it was looked at.
	e.collecting.Lock()
	defer e.collecting.Unlock()
	r := checkResults{Volumes: []checkResult{}}
	for _, name := range names {
		one, err := e.checkVolume(ctx, name, a.Repair, emit)
		if err != nil {
			return r, err
		}
		r.Volumes = append(r.Volumes, one)
	}
	return r, nil
}

// checkVolume checks one volume. A repair that finds the database damaged
// loads it again from the newest head, and checks what that gives.
func (e *engine) checkVolume(ctx context.Context, name string, repair bool, emit emitter) (checkResult, error) {
	r, err := e.checkOnce(ctx, name, repair, emit)
	if repair && errors.Is(err, fsnode.ErrDatabase) {
		var l checkLine
		if l, err = e.renewDatabase(ctx, name, err); err == nil {
			_ = emit.item(l)
			r, err = e.checkOnce(ctx, name, repair, emit)
			r.Damaged, r.Fixed = r.Damaged+1, r.Fixed+1
		}
	}
	if err != nil {
		return r, err
	}
	return r, e.keepCheck(r)
}

func (e *engine) checkOnce(ctx context.Context, name string, repair bool, emit emitter) (checkResult, error) {
	r := checkResult{Volume: name, Time: time.Now().UTC().Truncate(time.Second)}
	err := e.reading(ctx, name, func(v *fsnode.Volume) error {
		o := fsnode.CheckOptions{Deep: true, Repair: repair, Progress: func(blocks int64) {
			emit.progress(blocks, 0, "blocks")
		}}
		// A caller that has gone away cancels ctx: the check ends with that.
		sum, err := v.Check(ctx, o, func(p fsnode.Problem) {
			l := checkLine{Volume: name, Path: p.Path, What: strings.Join(strings.Fields(p.What), " "), Fixed: p.Fixed, Lost: p.Lost}
			if !isZero(p.Address) {
				l.Address = p.Address.String()
			}
			_ = emit.item(l)
		})
		if err != nil {
			return fmt.Errorf("check volume %s: %w", name, err)
		}
		r.Heads, r.Files, r.Dirs, r.Blocks, r.Shards = sum.Heads, sum.Files, sum.Dirs, sum.Blocks, sum.Shards
		r.Damaged, r.Fixed, r.Lost = sum.Problems, sum.Fixed, sum.Lost
		return nil
	})
	return r, err
}

// maxNamed is how many lost files a line names.
const maxNamed = 20

// renewDatabase puts the damaged database of a volume aside and returns the
// line that says what is lost by that: what was changed after the newest head,
// as far as the old one can still be read.
func (e *engine) renewDatabase(ctx context.Context, name string, cause error) (l checkLine, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	l = checkLine{Volume: name, Path: "/", Fixed: true}
	if v := e.volumes[name]; v != nil {
		return l, fail(errBusy, fmt.Sprintf("the metadata of volume %s is damaged and it is in use%s: unmount it and repeat: %s",
			name, v.where(), oneLine(cause)), cause)
	}
	keys, err := e.volumeKeys(name)
	if err != nil {
		return l, err
	}
	dir := e.home.VolumeDir(name)
	heads, err := openHeads(filepath.Join(dir, "heads"), keys)
	if err != nil {
		return l, err
	}
	entries, err := heads.Entries()
	if err := errors.Join(err, heads.Close()); err != nil {
		return l, err
	}
	l.What = oneLine(cause) + ": no head had anything yet, the volume is empty"
	if n := len(entries); n > 0 {
		h := entries[n-1]
		at := time.Unix(0, h.Time)
		l.What = fmt.Sprintf("%s: loaded again from head %d of %s; %s", oneLine(cause), h.Seq, at.UTC().Format("2006-01-02 15:04:05 MST"),
			lostSince(fsnode.ChangedSince(ctx, dir, e.keys.LocalKey(keys.ID), at)))
	}
	e.log.Warn("metadata is loaded again", "volume", name, "what", l.What)
	return l, fsnode.SetAside(dir)
}

// lostSince says which paths were changed since a head.
func lostSince(paths []string, whole bool) string {
	more := ""
	if n := len(paths); n > maxNamed {
		paths, more = paths[:maxNamed], fmt.Sprintf(" and %d more", n-maxNamed)
	}
	switch {
	case len(paths) == 0 && whole:
		return "nothing was changed since"
	case len(paths) == 0:
		return "what was changed since is lost, and not known"
	case whole:
		return "changed since, and lost: " + strings.Join(paths, ", ") + more
	}
	return "changed since, and lost, as far as known: " + strings.Join(paths, ", ") + more
}

func isZero(a [32]byte) bool { return a == [32]byte{} }

func (e *engine) lastCheckPath(volume string) string {
	return filepath.Join(e.home.VolumeDir(volume), "last-check.json")
}

// keepCheck remembers the outcome for `pifs status`.
func (e *engine) keepCheck(r checkResult) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode check result: %w", err)
	}
	return home.WriteFile(e.lastCheckPath(r.Volume), raw)
}

// lastCheck returns the outcome of the last check, nil if there was none.
func (e *engine) lastCheck(volume string) (*checkResult, error) {
	raw, err := os.ReadFile(e.lastCheckPath(volume))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read last check: %w", err)
	}
	var r checkResult
	if err := json.Unmarshal(raw, &r); err != nil {
		return nil, fmt.Errorf("read last check of volume %s: %w: %w", volume, home.ErrDamaged, err)
	}
	return &r, nil
}

// cacheDrop forgets what the stores can give again.
func (e *engine) cacheDrop(ctx context.Context, _ none, _ emitter) (dropResult, error) {
	n, err := e.stack.blocks.Drop(ctx)
	if err != nil {
		return dropResult{}, fmt.Errorf("drop cache: %w", err)
	}
	return dropResult{Bytes: n}, nil
}
