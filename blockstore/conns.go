package blockstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"sync/atomic"

	"github.com/mattn/go-sqlite3"
)

// OpenDB returns the SQLite database that dsn names. Transactions that change
// it are added to commits when they commit, those of single statements too.
func OpenDB(dsn string, commits *atomic.Uint64) *sql.DB {
	count := func() int {
		commits.Add(1)
		return 0 // go on
	}
	return sql.OpenDB(connector{dsn: dsn, driver: &sqlite3.SQLiteDriver{
		ConnectHook: func(c *sqlite3.SQLiteConn) error {
			c.RegisterCommitHook(count)
			return nil
		},
	}})
}

// connector makes connections of a driver that nobody has to register.
type connector struct {
	dsn    string
	driver *sqlite3.SQLiteDriver
}

var _ driver.Connector = connector{}

func (c connector) Connect(context.Context) (driver.Conn, error) { return c.driver.Open(c.dsn) }
func (c connector) Driver() driver.Driver                        { return c.driver }

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
