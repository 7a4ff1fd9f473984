package node

import (
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"pifs/swarm/decide"
)

// maxStep is how far one sweep lets the time advance, in seconds: a clock that
// is a year ahead for an hour makes no lease run out.
const maxStep = 24 * 3600

// steady is the node's time: it never goes back, and between two sweeps at most
// a step ahead, whatever the clock does. It is kept in the database.
type steady struct {
	db    *database
	clock func() int64

	mu   sync.Mutex
	last int64 // at the last sweep
}

const steadyKey = "time"

func openSteady(db *database, clock func() int64) (*steady, error) {
	s := &steady{db: db, clock: clock}
	err := db.r.QueryRow("SELECT v FROM kv WHERE k=?", steadyKey).Scan(&s.last)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("read time: %w", err)
	}
	if s.last == 0 {
		s.last = clock()
	}
	return s, nil
}

// now returns the time, Unix seconds.
func (s *steady) now() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return decide.Advance(s.last, s.clock(), maxStep)
}

// step makes the present time the beginning of the next step, within tx.
func (s *steady) step(tx *sql.Tx) (now int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = decide.Advance(s.last, s.clock(), maxStep)
	if _, err := tx.Exec("INSERT OR REPLACE INTO kv VALUES(?,?)", steadyKey, s.last); err != nil {
		return 0, fmt.Errorf("keep time: %w", err)
	}
	return s.last, nil
}
