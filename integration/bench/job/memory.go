package job

import (
	"fmt"
	"syscall"
)

// occupy fills Size bytes of memory and gives them back. A hypervisor may have
// taken memory that was free for some seconds: whoever uses it next pays up to
// ten times the price of a page. Those who measure want everybody to find the
// same.
func occupy(s Spec) (work, error) {
	return func() error {
		const anonymous = syscall.MAP_PRIVATE | syscall.MAP_ANON | syscall.MAP_POPULATE
		memory, err := syscall.Mmap(-1, 0, int(s.Size), syscall.PROT_READ|syscall.PROT_WRITE, anonymous)
		if err != nil {
			return fmt.Errorf("map %d bytes: %w", s.Size, err)
		}
		return syscall.Munmap(memory)
	}, nil
}
