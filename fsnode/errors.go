package fsnode

import "errors"

// ErrWouldBlock says that a call made with wait=false did nothing, because it
// would have had to wait for a disk, a node or memory.
var ErrWouldBlock = errors.New("would block")
