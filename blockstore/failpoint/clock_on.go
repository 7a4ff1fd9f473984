//go:build failpoint

package failpoint

import (
	"os"
	"sync"
	"time"
)

// skew is how wrong the clock of this process is, read from the environment
// once.
var skew = sync.OnceValue(func() time.Duration {
	text := os.Getenv("PIFS_CLOCK")
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		panic("PIFS_CLOCK is no duration: " + text)
	}
	return d
})

// Now is a clock that is as wrong as PIFS_CLOCK says, such as 24h.
func Now() time.Time { return time.Now().Add(skew()) }
