package integration

import (
	"bufio"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestSQLite has several processes write to one database in each journal mode:
// to the end, and until they are killed. What was committed is there, and the
// database is sound, then and after a remount.
func TestSQLite(t *testing.T) {
	d := mounted(t)
	type state struct {
		path string
		rows int // that must be there
	}
	var states []state
	for _, mode := range []string{"wal", "delete", "truncate", "persist"} {
		path := filepath.Join(d.dir, mode+".db")
		d.sql(path, "PRAGMA journal_mode="+mode+`;
			CREATE TABLE account(id INTEGER PRIMARY KEY, n INTEGER);
			CREATE TABLE done(who INTEGER, i INTEGER, filler BLOB, PRIMARY KEY(who, i));
			INSERT INTO account VALUES(0, 1000), (1, 1000), (2, 1000);`)
		rows := d.startWriters(path, 0, 3, 25)(25, false)
		if rows != 75 {
			t.Fatalf("%s: %d of 75 transactions were acknowledged", mode, rows)
		}
		d.checkSQL(path, rows)
		rows += d.startWriters(path, 3, 3, 100_000)(10, true)
		d.checkSQL(path, rows)
		states = append(states, state{path, rows})
	}
	d.remount()
	for _, s := range states {
		d.checkSQL(s.path, s.rows)
	}
}

// sql runs statements in the sqlite3 shell and returns what it prints.
func (d *drive) sql(path, statements string) string {
	d.t.Helper()
	o := child(d.t, heavy, nil, "sqlite3", "-bail", "-cmd", ".timeout 60000", path, statements)
	if o.status != 0 {
		d.t.Fatalf("sqlite3 %s: status %d: %s", path, o.status, o.stderr)
	}
	return strings.TrimSpace(o.stdout)
}

// checkSQL checks a database that at least rows transactions were committed to.
func (d *drive) checkSQL(path string, rows int) {
	d.t.Helper()
	if got := d.sql(path, "PRAGMA integrity_check"); got != "ok" {
		d.t.Fatalf("%s: %s", path, got)
	}
	if got := d.sql(path, "SELECT sum(n) FROM account"); got != "3000" {
		d.t.Errorf("%s: the accounts sum up to %s", path, got)
	}
	got, err := strconv.Atoi(d.sql(path, "SELECT count(*) FROM done"))
	if err != nil || got < rows {
		d.t.Errorf("%s has %d transactions, %v; %d were acknowledged", path, got, err, rows)
	}
	if got := d.sql(path, "SELECT count(*) FROM (SELECT who, max(i) m, count(*) c FROM done GROUP BY who) WHERE c != m + 1"); got != "0" {
		d.t.Errorf("%s: %s writers miss transactions in between", path, got)
	}
}

// startWriters starts n processes that commit transactions, numbered from
// first. What it returns waits until each has committed enough of them, then
// kills them or lets them end, and returns how many were acknowledged.
func (d *drive) startWriters(path string, first, n, transactions int) func(enough int, kill bool) int {
	ctx, cancel := context.WithTimeout(context.Background(), heavy)
	d.t.Cleanup(cancel)
	var cmds []*exec.Cmd
	var outs []*bufio.Scanner
	for who := first; who < first+n; who++ {
		// The shell reads as fast as it runs, so this never holds much.
		gen := fmt.Sprintf(`i=0; while [ $i -lt %d ]; do echo "BEGIN IMMEDIATE;
			UPDATE account SET n=n-1 WHERE id=$(((i+%d)%%3)); UPDATE account SET n=n+1 WHERE id=$(((i+%d+1)%%3));
			INSERT INTO done VALUES(%d, $i, randomblob(2000)); COMMIT; SELECT $i;"; i=$((i+1)); done`, transactions, who, who, who)
		cmd := exec.CommandContext(ctx, "sh", "-c", gen+` | exec sqlite3 -bail -cmd ".timeout 60000" -cmd "PRAGMA synchronous=FULL" "$0"`, path)
		cmd.SysProcAttr = ownGroup()
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			d.t.Fatal(err)
		}
		cmds, outs = append(cmds, cmd), append(outs, bufio.NewScanner(out))
	}
	return func(enough int, kill bool) int {
		acked := 0
		for _, out := range outs {
			for i := 0; i < enough && out.Scan(); i++ {
				acked++
			}
		}
		for i, cmd := range cmds {
			if kill {
				killGroup(d.t, cmd)
			}
			for outs[i].Scan() {
				acked++
			}
			if err := cmd.Wait(); err != nil && !kill {
				d.t.Errorf("writer %d of %s: %v", i, path, err)
			}
		}
		return acked
	}
}
