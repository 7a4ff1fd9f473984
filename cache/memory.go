package cache

import (
	"sync"

	"pifs/blockstore"
)

const (
	nodeSize   = blockstore.MinChunk // smaller plaintexts count as tree nodes
	memoryCost = 256                 // bytes of book-keeping per entry, about
)

// memory is the tier of plaintexts. Chunks and nodes are kept in order of use
// apart from each other, so that one long file that streams through does not
// push out the nodes of the tree.
type memory struct {
	limit int64 // of the costs of both together
	mu    sync.Mutex
	nodes *lru[blockstore.Address, verified]
	bulk  *lru[blockstore.Address, verified]
	parts *lru[partKey, verified] // groups of chunks that were not read whole
}

// partKey names a group of a block.
type partKey struct {
	addr  blockstore.Address
	group int
}

// partGroups is how many groups a block has at most.
const partGroups = blockstore.MaxBlock/blockstore.OutlineGroup + 1

// verified is the plaintext of a block, under the whole reference: who
// knows the address but not the key gets nothing.
type verified struct {
	ref   blockstore.Ref
	plain *plain
}

func newMemory(limit int64) *memory {
	m := &memory{
		limit: limit,
		nodes: newLRU[blockstore.Address, verified](),
		bulk:  newLRU[blockstore.Address, verified](),
		parts: newLRU[partKey, verified](),
	}
	m.nodes.gone = func(v verified) { v.plain.release() }
	m.bulk.gone = m.nodes.gone
	m.parts.gone = m.nodes.gone
	return m
}

func (m *memory) tier(size uint32) *lru[blockstore.Address, verified] {
	if size < nodeSize {
		return m.nodes
	}
	return m.bulk
}

// get returns the plaintext with one more user.
func (m *memory) get(ref blockstore.Ref) (*plain, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, ok := m.tier(ref.Size).get(ref.Address)
	if !ok || c.ref != ref {
		return nil, false
	}
	c.plain.use(1)
	return c.plain, true
}

func (m *memory) has(ref blockstore.Ref) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, ok := m.tier(ref.Size).peek(ref.Address)
	return ok && c.ref == ref
}

// add becomes one more user of p, which must have been verified against ref and
// must not change any more.
func (m *memory) add(ref blockstore.Ref, p *plain) {
	cost := int64(cap(p.bytes)) + memoryCost
	if cost > m.limit {
		return
	}
	p.use(1)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tier(ref.Size).put(ref.Address, verified{ref, p}, cost)
	m.evict()
}

// addPart is add for a group of a block.
func (m *memory) addPart(ref blockstore.Ref, group int, p *plain) {
	p.use(1)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.parts.put(partKey{ref.Address, group}, verified{ref, p}, int64(cap(p.bytes))+memoryCost)
	m.evict()
}

// getPart is get for a group of a block.
func (m *memory) getPart(ref blockstore.Ref, group int) (*plain, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, ok := m.parts.get(partKey{ref.Address, group})
	if !ok || c.ref != ref {
		return nil, false
	}
	c.plain.use(1)
	return c.plain, true
}

// evict brings the tier within its limit. Nodes may hold on to a third of it,
// and parts to as much.
func (m *memory) evict() {
	third := m.limit / 3
	keep := min(m.nodes.cost, third) + min(m.parts.cost, third)
	m.bulk.shrink(m.limit - keep)
	m.parts.shrink(m.limit - m.bulk.cost - min(m.nodes.cost, third))
	m.nodes.shrink(m.limit - m.bulk.cost - m.parts.cost)
}

func (m *memory) remove(addr blockstore.Address) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.nodes.remove(addr)
	m.bulk.remove(addr)
	for group := range partGroups {
		m.parts.remove(partKey{addr, group})
	}
}

func (m *memory) used() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.nodes.cost + m.bulk.cost + m.parts.cost
}

// drop forgets everything and returns the bytes freed.
func (m *memory) drop() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	freed := m.nodes.cost + m.bulk.cost + m.parts.cost
	m.nodes.shrink(0)
	m.bulk.shrink(0)
	m.parts.shrink(0)
	return freed
}
