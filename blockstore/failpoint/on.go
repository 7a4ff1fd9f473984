//go:build failpoint

package failpoint

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

// armed is the point at which this process dies, read from the environment
// once. It is the only state of this package, and exists in test builds only.
var armed = sync.OnceValue(func() *trap {
	t := &trap{mark: os.Getenv("PIFS_FAILPOINT_MARK")}
	name, count, _ := strings.Cut(os.Getenv("PIFS_FAILPOINT"), ":")
	var n int64 = 1
	if count != "" {
		if _, err := fmt.Sscan(count, &n); err != nil || n < 1 {
			panic("PIFS_FAILPOINT: the count is not a positive number: " + count)
		}
	}
	t.point = Point(name)
	t.left.Store(n)
	if _, err := os.Stat(t.mark); err == nil {
		t.point = "" // another process died of it: one death is what was asked for
	}
	return t
})

type trap struct {
	point Point
	left  atomic.Int64 // passes, the fatal one included
	mark  string
}

// Hit ends the process with SIGKILL if p is the armed point and was passed
// often enough.
func Hit(p Point) {
	t := armed()
	if t.point != p || t.left.Add(-1) != 0 {
		return
	}
	if t.mark != "" {
		_ = os.WriteFile(t.mark, []byte(p), 0o600) // whoever waits for it reports its absence
	}
	if os.Getenv("PIFS_FAILPOINT_PANIC") != "" {
		panic("failpoint " + p)
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // the signal may take a moment to reach this thread
}
