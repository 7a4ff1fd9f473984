package blockstore

import (
	"fmt"
	"sync"
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
	if err := p.openTail(recordHeader + int64(len(shard))); err != nil {
		return location{}, err
	}
	f, err := p.files.acquire(p.tail)
	if err != nil {
		return location{}, err
	}
	defer p.files.release(f)
	loc := location{pack: p.tail, off: p.stats[p.tail].size, size: uint32(len(shard))}
	if err := writeRecord(f, loc.off, shard); err != nil {
		_ = f.Truncate(loc.off) // gives the space back; recovery copes without
		return location{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats[loc.pack].size = loc.end()
	p.change[loc.pack] = struct{}{}
	if _, ok := p.dirty[loc.pack]; !ok {
		p.dirty[loc.pack] = loc.off
	}
	return loc, nil
}

// openTail makes sure that tail is a pack with room for a record of size
// bytes. An empty pack has room for any.
func (p *Pack) openTail(size int64) error {
	if p.tail != 0 {
		end := p.stats[p.tail].size
		if end+size <= p.opts.PackSize || end == packHeaderLen {
			return nil
		}
		p.closeTail()
		p.askFlush()
	}
	p.mu.Lock()
	p.last++
	n := p.last
	p.mu.Unlock()
	f, err := p.files.create(n)
	if err != nil {
		return fmt.Errorf("create pack: %w", err)
	}
	p.files.release(f)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tail, p.newDir = n, true
	p.stats[n] = &packStat{size: packHeaderLen}
	p.dirty[n] = packHeaderLen
	p.change[n] = struct{}{}
	return nil
}

// closeTail makes the next record start a new pack.
func (p *Pack) closeTail() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tail = 0
}

func writeRecord(f File, off int64, shard []byte) error {
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
	_, err := f.WriteAt(shard, off+recordHeader)
	return err
}
