//go:build !failpoint

package failpoint

import "time"

// Now is the machine's clock: this is not a build whose clock can be wrong.
func Now() time.Time { return time.Now() }
