package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// TestMountsAtOnce starts several mounts of one home at the same moment, none
// of which finds a daemon, and ends them at the same moment: there is one
// daemon, and in the end none.
func TestMountsAtOnce(t *testing.T) {
	d := mounted(t)
	const n = 6
	var dirs, volumes []string
	for i := range n {
		volumes = append(volumes, fmt.Sprintf("v%d", i))
		dirs = append(dirs, filepath.Join(filepath.Dir(d.dir), volumes[i]))
		d.pifs("volume", "create", volumes[i])
		if err := os.Mkdir(dirs[i], 0o755); err != nil {
			t.Fatal(err)
		}
	}
	d.umount()
	for range 3 {
		d.together(n, func(i int) []string { return []string{"mount", "--volume", volumes[i], dirs[i]} })
		pid := d.pid()
		d.together(n, func(i int) []string { return []string{"sync", dirs[i]} })
		if d.status().Daemon != pid {
			t.Error("more than one daemon served the home")
		}
		d.together(n, func(i int) []string { return []string{"umount", dirs[i]} })
		eventually(t, "the daemon has ended", func() bool { return !alive(pid) })
	}
}

// together runs n commands at the same time; all must succeed.
func (d *drive) together(n int, args func(i int) []string) {
	d.t.Helper()
	outcomes := make([]outcome, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { outcomes[i] = d.try(args(i)...) })
	}
	wg.Wait()
	for i, o := range outcomes {
		if o.status != 0 {
			d.t.Errorf("pifs %q: status %d: %s", args(i), o.status, o.stderr)
		}
	}
}

// TestNewDaemonTakesOver mounts again the moment the last mount is gone, over
// and over: commands meet daemons on their way out.
func TestNewDaemonTakesOver(t *testing.T) {
	d := mounted(t)
	other := filepath.Join(filepath.Dir(d.dir), "other")
	d.sh(`mkdir ` + other + `; echo 0 > "$D/n"`)
	d.pifs("volume", "create", "other")
	for i := range 10 {
		d.together(2, func(n int) []string {
			return [][]string{{"umount", d.dir}, {"mount", "--volume", "other", other}}[n]
		})
		d.together(2, func(n int) []string {
			return [][]string{{"umount", other}, {"mount", d.dir}}[n]
		})
		if got := d.sh(fmt.Sprintf(`cat "$D/n"; echo %d > "$D/n"`, i+1)); got != fmt.Sprint(i) {
			t.Fatalf("round %d reads %s", i, got)
		}
	}
}
