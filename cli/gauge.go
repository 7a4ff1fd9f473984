package cli

import (
	"errors"
	"sync"
	"time"

	"pifs/blockstore"
)

const (
	// glance is how long looks at disks are waited for, once per disk that
	// stops answering: writers wait for it with the whole volume.
	glance = 500 * time.Millisecond
	// lastingFor is how long a disk that does not answer counts as it was.
	lastingFor = 2 * time.Second
)

var errNoAnswer = errors.New("the disk does not answer")

// gauge tells the room of the disk of a store, without being held up by one
// that does not answer. It is safe for concurrent use.
type gauge struct {
	measure func() (blockstore.DiskRoom, error)

	mu   sync.Mutex
	busy chan struct{} // closed when the look that is under way ends; nil if none is
	late bool          // it was waited for in vain
	at   time.Time     // when the last one ended, with last and err
	last blockstore.DiskRoom
	err  error
}

func newGauge(path string) *gauge {
	return &gauge{measure: func() (blockstore.DiskRoom, error) { return blockstore.RoomOf(path) }}
}

// look begins to measure, unless an earlier look has not ended yet.
func (g *gauge) look() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.busy != nil {
		return
	}
	g.busy, g.late = make(chan struct{}), false
	go func() {
		r, err := g.measure()
		g.mu.Lock()
		defer g.mu.Unlock()
		g.at, g.last, g.err = time.Now(), r, err
		close(g.busy)
		g.busy = nil
	}()
}

// room returns what the last look found. The one that is under way is waited
// for until end, unless somebody has done so in vain.
func (g *gauge) room(end <-chan struct{}) (blockstore.DiskRoom, error) {
	g.mu.Lock()
	busy := g.busy
	if g.late {
		busy = nil
	}
	g.mu.Unlock()
	if busy != nil {
		select {
		case <-busy:
		case <-end:
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.late = g.busy != nil
	if g.late && time.Since(g.at) > lastingFor {
		return blockstore.DiskRoom{}, errNoAnswer
	}
	return g.last, g.err
}
