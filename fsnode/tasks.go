package fsnode

import (
	"runtime"
	"time"
)

const (
	saveEvery  = time.Second     // longest that an operation stays in memory only
	flushAfter = 3 * time.Second // fresh bytes rest this long before they are stored
	maxPending = 20_000          // rows that start a save early
	maxTouches = 200_000         // names that start a commit early, for they are looked up for it at one moment
)

// start begins the volume's background work.
func (v *Volume) start() {
	workers := max(2, runtime.GOMAXPROCS(0))
	v.chunkers = make(chan []byte, workers)
	v.buffers = make(chan []byte, workers)
	for range workers {
		v.chunkers <- nil
		v.buffers <- nil
	}
	v.tasks.Go(v.walkAhead)
	if v.o.ReadOnly {
		return
	}
	for range workers {
		v.tasks.Go(v.flusher)
	}
	v.tasks.Go(v.keeper)
	v.tasks.Go(v.committer)
	v.tasks.Go(v.sweep)
}

// stop ends the background work and waits for it.
func (v *Volume) stop() {
	v.mu.Lock()
	v.stopping = true
	v.wake.Broadcast()
	v.work.Broadcast()
	v.mu.Unlock()
	v.cancel()
	v.tasks.Wait()
}

// keeper saves, and flushes what rests.
func (v *Volume) keeper() {
	tick := time.NewTicker(saveEvery / 4)
	defer tick.Stop()
	for {
		select {
		case <-v.ctx.Done():
			return
		case <-tick.C:
		case <-v.kick:
		}
		v.flushResting()
		if v.saveDue() {
			v.keep("save", v.save(v.ctx))
		}
	}
}

// committer commits what no head has. It is not the keeper's work, since
// saves must go on meanwhile.
func (v *Volume) committer() {
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	for {
		select {
		case <-v.ctx.Done():
			return
		case <-tick.C:
		}
		if v.commitDue() {
			_, err := v.Commit(v.ctx, "", nil)
			v.keep("commit", err)
		}
	}
}

// keep logs the failure of background work and makes writes answer it; success
// takes that back.
func (v *Volume) keep(what string, err error) {
	switch {
	case err == nil:
		v.mu.Lock()
		v.recovered()
		v.mu.Unlock()
	case v.ctx.Err() == nil:
		v.complain(what, 0, err)
		v.fail(err)
	}
}

func (v *Volume) saveDue() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return !v.pending.empty() && (time.Since(v.lastSave) >= saveEvery || v.crowded())
}

// crowded reports whether memory holds too many unsaved rows or operations. v.mu is held.
func (v *Volume) crowded() bool {
	return len(v.pending.inodes)+len(v.pending.dents) >= maxPending || v.logHalf()
}

func (v *Volume) commitDue() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return !v.changed.IsZero() && (time.Since(v.changed) >= v.o.CommitIdle || v.touches >= maxTouches)
}

// flushResting stores what was not written to for a while, and most of what
// is large and still growing, so that saves need not write it to the journal.
func (v *Volume) flushResting() {
	v.mu.Lock()
	defer v.mu.Unlock()
	old := TimeOf(time.Now().Add(-flushAfter))
	for ino := range v.fresh {
		in := v.inodes[ino]
		if in == nil || in.content == nil {
			continue
		}
		switch {
		case old.After(in.rec.Ctime):
			v.enqueue(in, flushAll)
		case in.content.streams(streamBytes / 2):
			v.enqueue(in, flushHead)
		}
	}
}

// pace makes whoever changes many names wait until saves catch up. v.mu is
// held.
func (v *Volume) pace() {
	if !v.crowded() {
		return
	}
	v.kickKeeper()
	for v.pinned.Len() >= 2*maxPending && v.failure == nil && !v.stopping {
		v.wake.Wait()
	}
}

// kickKeeper makes the keeper look at once.
func (v *Volume) kickKeeper() {
	select {
	case v.kick <- struct{}{}:
	default:
	}
}
