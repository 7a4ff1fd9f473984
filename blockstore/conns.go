package blockstore

import (
	"context"
	"database/sql"
	"errors"
)

// OpenConns opens the n connections that db will ever have, so that what a
// daemon holds does not depend on how many calls once met.
func OpenConns(db *sql.DB, n int) error {
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	var err error
	conns := make([]*sql.Conn, 0, n)
	for len(conns) < n && err == nil {
		var c *sql.Conn
		if c, err = db.Conn(context.Background()); err == nil {
			conns = append(conns, c)
		}
	}
	for _, c := range conns {
		err = errors.Join(err, c.Close()) // gives it back to db
	}
	return err
}
