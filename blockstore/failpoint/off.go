//go:build !failpoint

package failpoint

// Hit does nothing: this is not a build that dies on demand.
func Hit(Point) {}
