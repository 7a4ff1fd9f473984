package fsnode

import (
	"errors"
	"fmt"

	"pifs/blockstore"
)

// ErrWouldBlock says that a call made with wait=false did nothing, because it
// would have had to wait for a disk, a node or memory.
var ErrWouldBlock = errors.New("would block")

// ErrDatabase says that the metadata database is damaged. SetAside and another
// Open load it again from the newest head.
var ErrDatabase = fmt.Errorf("metadata database is damaged: %w", blockstore.ErrCorrupt)
