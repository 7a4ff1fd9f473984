package blockstore

import (
	"errors"
	"io/fs"

	"pifs/blockstore/failpoint"
)

// diskBlock is the grain of holes: what a file system can give back.
const diskBlock = 4096

// bury gives the bytes of shards back whose deletion the index has made
// durable. Failure costs space and nothing else: compaction comes later. The
// caller holds flushing, so that no compaction runs.
func (p *Pack) bury(b batch) {
	for _, c := range b.changes {
		if !c.deleted {
			continue
		}
		err := p.buryRecord(c.location)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			p.warn(err)
			return
		}
	}
}

// buryRecord marks a record as dead before its bytes go, so that a scan knows
// the hole for what it is.
func (p *Pack) buryRecord(loc location) error {
	f, err := p.files.acquire(loc.pack)
	if err != nil {
		return err
	}
	defer p.files.release(f)
	var h [recordHeader]byte
	putBuriedHeader(h[:], loc.size)
	if err := p.overwrite(f, loc, h[:]); err != nil {
		return err
	}
	failpoint.Hit(failpoint.PackBuried)
	from := (loc.off + recordHeader + diskBlock - 1) / diskBlock * diskBlock
	to := loc.end() / diskBlock * diskBlock
	hole, ok := f.File.(puncher)
	if !ok || to <= from {
		return nil
	}
	if err := hole.Punch(from, to-from); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// overwrite writes h over the header at loc. Nobody appends meanwhile, who would
// write what the last block held before once more.
func (p *Pack) overwrite(f *packFile, loc location, h []byte) error {
	p.writing.Lock()
	defer p.writing.Unlock()
	if p.lastBlock.pack == loc.pack {
		p.lastBlock.pack = 0
	}
	_, err := f.WriteAt(h, loc.off)
	return err
}
