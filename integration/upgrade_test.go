package integration

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// nextVersion is what the other program says that it is.
const nextVersion = "0.1.1-next"

// buildNext builds another version of the program and returns two copies of
// it: the second ends at once when it is to be a daemon.
func buildNext(t *testing.T) (next, broken string) {
	t.Helper()
	base := t.TempDir()
	version, err := os.ReadFile("../cli/version.go")
	if err != nil {
		t.Fatal(err)
	}
	other := strings.Replace(string(version), `const release = "`, `const release = "`+nextVersion+`" // was "`, 1)
	if other == string(version) {
		t.Fatal("cli/version.go names the version in another way")
	}
	const program = `package main

import (
	"context"
	"os"
	"strings"

	"pifs/cli"
)

func main() {
	env := cli.ProcessEnv()
	if strings.Contains(env.Exe, "/broken/") && len(os.Args) > 1 && os.Args[1] == "daemon" {
		os.Exit(1)
	}
	os.Exit(cli.Run(context.Background(), env, os.Args))
}
`
	replace := map[string]string{}
	for path, text := range map[string]string{"cli/version.go": other, "cli/pifs/main.go": program} {
		abs, err := filepath.Abs(filepath.Join("..", path))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(abs); err != nil {
			t.Fatal(err)
		}
		replace[abs] = filepath.Join(base, filepath.Base(path))
		if err := os.WriteFile(replace[abs], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(base, "overlay"), overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	next, broken = filepath.Join(base, "next", "pifs"), filepath.Join(base, "broken", "pifs")
	if err := build(next, "-overlay="+filepath.Join(base, "overlay")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Dir(broken), os.DirFS(filepath.Dir(next))); err != nil {
		t.Fatal(err)
	}
	return next, broken
}

// upgrade runs pifs upgrade with a program: empty is the one that is tested.
func (d *drive) upgrade(program string) outcome {
	d.t.Helper()
	defer func(old string) { d.program = old }(d.program)
	d.program = program
	return d.try("upgrade", d.dir)
}

// wantVersion checks which program the daemon runs.
func (d *drive) wantVersion(want, when string) {
	d.t.Helper()
	if got := d.status().Version; got != want {
		d.t.Errorf("%s the daemon is of version %q, want %q", when, got, want)
	}
}

// TestUpgradeUnderLoad has other programs take over while the mount is in use.
// One that ends at once is given up for the one before it, which is also what
// goes on when the daemon is killed, even when its file has moved.
func TestUpgradeUnderLoad(t *testing.T) {
	next, broken := buildNext(t)
	d := mounted(t, "--holder")
	first := d.status().Version
	if first == nextVersion {
		t.Fatalf("both programs are of version %s", first)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	u := d.use(ctx)
	for n := range 6 {
		<-time.After(200 * time.Millisecond) // for the programs to do something with each
		program, version := next, nextVersion
		if n%2 == 1 {
			program, version = "", first
		}
		if o := d.upgrade(program); o.status != 0 {
			t.Fatalf("upgrade %d: status %d: %s", n, o.status, o.stderr)
		}
		d.wantVersion(version, "after an upgrade")
		d.refuseUpgrade(broken)
		d.wantVersion(version, "after an upgrade that failed")
	}
	if o := d.upgrade(next); o.status != 0 {
		t.Fatalf("upgrade: status %d: %s", o.status, o.stderr)
	}
	if err := os.Rename(filepath.Dir(next), filepath.Dir(next)+"-moved"); err != nil {
		t.Fatal(err)
	}
	d.succeeded(d.killDaemon())
	d.wantVersion(nextVersion, "after a kill")
	// Each upgrade was one takeover, each that failed another, and the kill.
	if h := d.status().Holder; h == nil || h.Takeovers != 6+6+1+1 || h.Gone {
		t.Errorf("status: holder %+v, want 14 takeovers", h)
	}
	u.settle()
}

// refuseUpgrade upgrades to a program that does not serve.
func (d *drive) refuseUpgrade(broken string) {
	d.t.Helper()
	o := d.upgrade(broken)
	if o.status != 11 || strings.Count(o.stderr, "\n") != 1 || !strings.Contains(o.stderr, "did not start: the old program goes on") {
		d.t.Errorf("upgrade to a program that ends at once: status %d: %s", o.status, o.stderr)
	}
}
