package mount

import (
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestRequestBuffersArePresent takes more new buffers than any heap has pages
// ready for, and asks the kernel which of them it has.
func TestRequestBuffersArePresent(t *testing.T) {
	if err := makePresent(); err != nil {
		t.Fatal(err)
	}
	page := uintptr(os.Getpagesize())
	var all []any // so that none is used again
	for n := range 200 {
		all = append(all, requestPool.New())
		b, err := bufferOf(all[n])
		if err != nil {
			t.Fatal(err)
		}
		start := uintptr(unsafe.Pointer(&b[0])) &^ (page - 1)
		end := uintptr(unsafe.Pointer(&b[len(b)-1])) + 1
		present := make([]byte, (end-start+page-1)/page)
		if _, _, errno := unix.Syscall(unix.SYS_MINCORE, start, end-start, uintptr(unsafe.Pointer(&present[0]))); errno != 0 {
			t.Fatal(errno)
		}
		for i, p := range present {
			if p&1 == 0 {
				t.Fatalf("buffer %d: page %d of %d is not there", n, i, len(present))
			}
		}
	}
}
