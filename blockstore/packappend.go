package blockstore

import (
	"errors"
	"fmt"
	"sync"

	"pifs/blockstore/failpoint"
)

// smallRecord is the size in bytes up to which copying a shard is cheaper
// than a second write.
const smallRecord = 32 << 10

// recordBuffers join header and bytes of small records for one write.
var recordBuffers = sync.Pool{New: func() any {
	b := make([]byte, recordHeader+smallRecord)
	return &b
}}

// append writes a record of shard at the end of the packs. What a failed
// write leaves behind is overwritten by the next. The caller holds writing.
func (p *Pack) append(shard []byte) (location, error) {
	n, off, err := p.openTail(recordHeader + int64(len(shard)))
	if err != nil {
		return location{}, err
	}
	f, err := p.files.acquire(n)
	if err != nil {
		return location{}, err
	}
	defer p.files.release(f)
	loc := location{pack: n, off: off, size: uint32(len(shard))}
	if err := p.writeRecord(f, loc, shard); err != nil {
		_ = f.Truncate(loc.off) // gives the space back; recovery copes without
		return location{}, err
	}
	failpoint.Hit(failpoint.PackAppended)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats[loc.pack].size = loc.end()
	p.change[loc.pack] = struct{}{}
	if _, ok := p.dirty[loc.pack]; !ok {
		p.dirty[loc.pack] = loc.off
	}
	return loc, nil
}

// openTail returns the number and the end of a pack with room for a record of
// size bytes. An empty pack has room for any. A sync that fails meanwhile may
// have ended the pack as tail: the record is then rescued with the others.
func (p *Pack) openTail(size int64) (n uint32, end int64, err error) {
	if n, end, ok := p.room(size); ok {
		return n, end, nil
	}
	p.mu.Lock()
	if p.tail != 0 {
		p.askFlush() // a pack is full: a good time to have it indexed
	}
	p.last++
	n = p.last
	p.mu.Unlock()
	f, err := p.files.create(n)
	if err != nil {
		return 0, 0, fmt.Errorf("create pack: %w", err)
	}
	p.files.release(f)
	failpoint.Hit(failpoint.PackCreated)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tail, p.newDir = n, true
	p.stats[n] = &packStat{size: packHeaderLen}
	p.dirty[n] = packHeaderLen
	p.change[n] = struct{}{}
	return n, packHeaderLen, nil
}

// room returns the tail and its end, if a record of size bytes fits.
func (p *Pack) room(size int64) (n uint32, end int64, ok bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.tail == 0 {
		return 0, 0, false
	}
	end = p.stats[p.tail].size
	return p.tail, end, end+size <= p.opts.PackSize || end == packHeaderLen
}

func (p *Pack) writeRecord(f *packFile, loc location, shard []byte) error {
	off := loc.off
	if len(shard) >= directFrom {
		if err := p.writeDirect(f, loc.pack, off, shard); !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	if len(shard) <= smallRecord {
		buf := recordBuffers.Get().(*[]byte)
		defer recordBuffers.Put(buf)
		putRecordHeader(*buf, shard)
		copy((*buf)[recordHeader:], shard)
		_, err := f.WriteAt((*buf)[:recordHeader+len(shard)], off)
		return err
	}
	var h [recordHeader]byte
	putRecordHeader(h[:], shard)
	if _, err := f.WriteAt(h[:], off); err != nil {
		return err
	}
	failpoint.Hit(failpoint.PackHeaderWritten)
	_, err := f.WriteAt(shard, off+recordHeader)
	return err
}
