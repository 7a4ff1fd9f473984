package blockstore

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// DiskRoom is what the file system of a folder has, in bytes.
type DiskRoom struct {
	Dev   uint64 // tells file systems apart
	Total uint64
	Free  uint64 // for users that are not root
}

// RoomOf returns the room of the disk that path lies on.
func RoomOf(path string) (DiskRoom, error) {
	var st unix.Stat_t
	var fs unix.Statfs_t
	if err := unix.Stat(path, &st); err != nil {
		return DiskRoom{}, fmt.Errorf("stat %s: %w", path, err)
	}
	if err := unix.Statfs(path, &fs); err != nil {
		return DiskRoom{}, fmt.Errorf("statfs %s: %w", path, err)
	}
	return DiskRoom{Dev: st.Dev, Total: fs.Blocks * uint64(fs.Bsize), Free: fs.Bavail * uint64(fs.Bsize)}, nil
}

// Reserve is how much of a disk new file data must leave free: removing, and
// collecting what was removed, first writes a little. An eighth of the disk,
// between 4 and 256 MiB, and never more than a quarter.
func (r DiskRoom) Reserve() uint64 {
	return min(max(r.Total/8, 4<<20), 256<<20, r.Total/4)
}

// Floor is the part of the reserve that blocks must leave to the databases.
func (r DiskRoom) Floor() uint64 { return r.Reserve() / 4 }

// Usable is what new file data may take.
func (r DiskRoom) Usable() uint64 {
	if r.Free <= r.Reserve() {
		return 0
	}
	return r.Free - r.Reserve()
}
