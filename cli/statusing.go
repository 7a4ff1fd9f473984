package cli

import (
	"context"
	"errors"
	"os"
	"runtime/metrics"

	"pifs/fsnode"
	"pifs/mount"
)

// status gathers what `pifs status` shows. A volume that cannot be opened is
// reported as such and does not hide the others.
func (e *engine) status(ctx context.Context, _ none, emit emitter) (statusResult, error) {
	r := statusResult{
		Home: e.home.Dir, Version: release, Class: e.stack.swarm.Class().String(), Ladder: e.home.Config.Ladder,
		MayDie: e.stack.swarm.MayDie(ctx), Stores: []storeLine{}, Volumes: []volumeStatus{},
	}
	if e.unmounted != nil {
		r.Daemon = os.Getpid()
	}
	if e.link != nil {
		pid, takeovers, gone := e.link.Holder()
		r.Holder = &holderLine{PID: pid, Takeovers: takeovers, Gone: gone}
	}
	if e.node != nil {
		r.Swarm = e.node.glance(ctx)
	}
	for _, name := range e.volumeNames() {
		v := e.volumeStatus(ctx, name)
		r.Volumes = append(r.Volumes, v)
		r.Logical += v.Logical
		r.Dirty += v.Dirty
	}
	for _, m := range e.stack.swarm.Members(ctx) {
		l := storeLine{Path: m.Name, ID: string(m.ID), State: "ok", Shards: m.Usage.Shards, Bytes: m.Usage.Bytes}
		if m.Err != nil {
			l.State = oneLine(m.Err)
		}
		r.Stores = append(r.Stores, l)
		r.Shards += m.Usage.Shards
		r.Stored += m.Usage.Bytes
		r.Disk += m.Usage.Disk
	}
	e.addBlocks(&r)
	var err error
	if r.Move, err = e.moves(ctx); err != nil {
		return r, err
	}
	for _, s := range e.stack.stores {
		a := s.Activity()
		r.Activity.ShardReads += a.Reads
		r.Activity.Transactions += a.Commits
	}
	r.Process = process()
	return r, nil
}

// process reads the runtime's own figures, which does not stop it.
func process() processLine {
	m := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/sched/goroutines:goroutines"}}
	metrics.Read(m)
	return processLine{Heap: m[0].Value.Uint64(), Goroutines: m[1].Value.Uint64()}
}

func (e *engine) addBlocks(r *statusResult) {
	s := e.stack.blocks.Stats()
	r.Blocks, r.Unique, r.Compressed = s.Blocks, s.PlainBytes, s.BlockBytes
	r.Outbox, r.Owed = s.Outbox, s.Owed
	r.Activity.Transactions += s.Commits
	r.Cache = cacheLine{
		Memory: s.MemoryBytes, MemoryLimit: s.MemoryLimit, Disk: s.DiskBytes, DiskLimit: s.DiskLimit,
		Hits: s.Hits, DiskHits: s.DiskHits, Misses: s.Misses, Degraded: s.Degraded,
	}
	r.DedupRatio = ratio(float64(r.Logical), float64(r.Unique))
	r.CompressionRatio = ratio(float64(r.Unique), float64(r.Compressed))
	r.Overhead = ratio(float64(r.Stored), float64(r.Compressed))
}

// ratio returns a/b, and 1 where there is nothing to compare.
func ratio(a, b float64) float64 {
	if a == 0 || b == 0 {
		return 1
	}
	return a / b
}

func (e *engine) volumeStatus(ctx context.Context, name string) volumeStatus {
	s := volumeStatus{Name: name}
	var server *mount.Server
	e.mu.Lock()
	if keys, err := e.keys.Volume(name); err == nil {
		s.Scope = keys.Scope
	}
	if v := e.volumes[name]; v != nil {
		s.ReadOnly = v.readOnly
		if v.mount != nil {
			s.Mount, server = v.mount.dir, v.mount.server
		}
	}
	e.mu.Unlock()
	if server != nil {
		s.Waiting, s.Oldest = waiting(server)
		s.Activity.Requests = server.Stats().Requests
	}
	err := e.reading(ctx, name, func(v *fsnode.Volume) error {
		stats, err := v.Stats()
		s.Logical, s.Inodes, s.Dirty = stats.Logical, stats.Inodes, stats.Dirty
		s.Open, s.Known = stats.Open, stats.Known
		s.Activity.Transactions, s.Activity.Queries = stats.Commits, stats.Queries
		if stats.HasHead {
			l := line(name, stats.Head)
			s.Head = &l
		}
		return err
	})
	last, lastErr := e.lastCheck(name)
	s.LastCheck = last
	if err := errors.Join(err, lastErr); err != nil {
		s.Error = oneLine(err)
	}
	return s
}

// waiting returns how many requests are not answered yet, and the oldest.
func waiting(s *mount.Server) (int, *requestLine) {
	all := s.Pending()
	if len(all) == 0 {
		return 0, nil
	}
	p := all[0]
	return len(all), &requestLine{Op: p.Op, Inode: p.Ino, Path: s.PathOf(p.Ino), PID: p.PID, Seconds: p.For.Seconds()}
}

// info tells where a path lies.
func (e *engine) info(ctx context.Context, a infoArgs, _ emitter) (r infoResult, err error) {
	err = e.reading(ctx, a.Volume, func(v *fsnode.Volume) error {
		i, err := v.Info(ctx, a.Path)
		if err != nil {
			return err
		}
		r = infoResult{Path: a.Path, Root: i.Root.String(), Size: i.Attr.Size, Inline: i.Inline, Chunks: []chunkLine{}}
		for n, c := range i.Chunks {
			if m := c.MayLose(); n == 0 || m < r.MayLose {
				r.MayLose = m
			}
			r.Chunks = append(r.Chunks, chunk(c))
		}
		return nil
	})
	return r, err
}

func chunk(c fsnode.ChunkInfo) chunkLine {
	d := c.Descriptor
	l := chunkLine{Offset: c.Off, Length: c.Len, Address: d.Address.String(), Class: d.Class.String()}
	for i, s := range c.Shards {
		l.Shards = append(l.Shards, shardLine{ID: d.Shards[i].String(), Store: s.Store, State: s.State})
	}
	return l
}
