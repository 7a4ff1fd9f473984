package node

import (
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"pifs/swarm/decide"
)

// steady drives decide.Steady with the machine's clocks. It is kept in the
// database.
type steady struct {
	clock   func() int64
	elapsed func() time.Duration

	mu      sync.Mutex
	value   decide.Steady
	counted time.Duration // of elapsed, in value
}

const (
	steadyKey = "time"
	wallKey   = "wall"
)

func openSteady(db *database, clock func() int64, elapsed func() time.Duration) (*steady, error) {
	s := &steady{clock: clock, elapsed: elapsed}
	for key, v := range map[string]*int64{steadyKey: &s.value.Now, wallKey: &s.value.Wall} {
		err := db.r.QueryRow("SELECT v FROM kv WHERE k=?", key).Scan(v)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return nil, fmt.Errorf("read time: %w", err)
		}
	}
	s.value, s.counted = s.value.Start(clock()), elapsed()
	return s, db.keepTime(s.value)
}

// keepTime makes the time durable: what a start adds counts once.
func (d *database) keepTime(t decide.Steady) error {
	_, err := d.w.Exec("INSERT OR REPLACE INTO kv VALUES(?,?), (?,?)", steadyKey, t.Now, wallKey, t.Wall)
	if err != nil {
		return fmt.Errorf("keep time: %w", err)
	}
	return nil
}

// now returns the time in seconds.
func (s *steady) now() int64 { return s.read().Now }

func (s *steady) read() decide.Steady {
	s.mu.Lock()
	defer s.mu.Unlock()
	passed := max(s.elapsed()-s.counted, 0).Truncate(time.Second)
	s.counted += passed
	s.value = s.value.Advance(int64(passed/time.Second), s.clock())
	return s.value
}
