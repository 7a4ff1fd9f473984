package fsnode

import (
	"context"
	"fmt"

	"pifs/fsnode/session"
)

// BeginSession has the volume put what it acknowledges into mem from now on.
// What was done before is durable on return. A volume that is read-only has
// nothing to put there.
func (v *Volume) BeginSession(ctx context.Context, mem *session.Memory) error {
	if v.o.ReadOnly {
		return nil
	}
	v.mu.Lock()
	v.log = oplog{mem: mem, unsure: v.log.unsure}
	v.barrier()
	v.pending.kv[markKey] = sessionMark{} // so that there is something to save
	v.mu.Unlock()
	if err := v.save(ctx); err != nil {
		return fmt.Errorf("begin session: %w", err)
	}
	return nil
}

// EndSession lets go of the session's memory.
func (v *Volume) EndSession() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.log = oplog{unsure: v.log.unsure}
	v.wake.Broadcast()
	return nil
}

// Save makes everything that was done so far durable.
func (v *Volume) Save(ctx context.Context) error { return v.save(ctx) }
