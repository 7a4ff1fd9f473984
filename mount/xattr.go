package mount

import (
	"errors"
	"os"
	"strings"
	"syscall"

	"bazil.org/fuse"
)

const (
	// aclPrefix is how the names of access control lists begin. The kernel
	// can not be told to enforce those of this file system through the
	// protocol in use, and a list that nobody enforces must not be stored.
	aclPrefix = "system.posix_acl_"

	// trustedPrefix is how names begin that the kernel gives to administrators
	// only. It leaves it to the file system not to list them to others.
	trustedPrefix = "trusted."

	maxXattr     = 64 << 10 // bytes of a value: XATTR_SIZE_MAX
	maxXattrList = 64 << 10 // bytes of all names: XATTR_LIST_MAX
)

// selinuxLabel is asked for by ls for each file, SELinux or not, until it hears
// that there are no labels here.
const selinuxLabel = "security.selinux"

func selinuxEnabled() bool {
	_, err := os.Stat("/sys/fs/selinux/enforce")
	return err == nil
}

func checkXattr(name string) error {
	switch {
	case strings.HasPrefix(name, aclPrefix):
		return syscall.EOPNOTSUPP
	case name == "", name == "user.", name == "trusted.", name == "security.":
		return syscall.EINVAL
	case len(name) > maxName:
		return syscall.ERANGE
	}
	return nil
}

// sized answers with value, or with its length if the caller asked for that by
// giving no room.
func (c *call) sized(value []byte, room uint32) error {
	w := c.reply()
	switch {
	case room == 0:
		w.u32(uint32(len(value)))
		w.u32(0)
		return c.send(nil)
	case len(value) > int(room):
		return syscall.ERANGE
	}
	return c.send(value)
}

func (s *Server) getxattr(c *call, r *fuse.GetxattrRequest) error {
	if err := checkXattr(r.Name); err != nil {
		return err
	}
	value, err := s.fs.Getxattr(c.ctx, c.node(), r.Name)
	if err != nil {
		if r.Name == selinuxLabel && !s.labels && errors.Is(err, syscall.ENODATA) {
			return syscall.EOPNOTSUPP
		}
		return err
	}
	if len(value) > maxXattr {
		return syscall.E2BIG
	}
	return c.sized(value, r.Size)
}

func (s *Server) setxattr(c *call, r *fuse.SetxattrRequest) error {
	if err := checkXattr(r.Name); err != nil {
		return err
	}
	if len(r.Xattr) > maxXattr {
		return syscall.E2BIG
	}
	return s.answer(c, s.fs.Setxattr(c.ctx, c.node(), r.Name, r.Xattr, r.Flags))
}

func (s *Server) listxattr(c *call, r *fuse.ListxattrRequest) error {
	names, err := s.fs.Listxattr(c.ctx, c.node())
	if err != nil {
		return err
	}
	var list []byte
	for _, name := range names {
		if r.Uid != 0 && strings.HasPrefix(name, trustedPrefix) {
			continue
		}
		list = append(list, name...)
		list = append(list, 0)
	}
	if len(list) > maxXattrList {
		return syscall.E2BIG
	}
	return c.sized(list, r.Size)
}

func (s *Server) removexattr(c *call, r *fuse.RemovexattrRequest) error {
	if err := checkXattr(r.Name); err != nil {
		return err
	}
	return s.answer(c, s.fs.Removexattr(c.ctx, c.node(), r.Name))
}
