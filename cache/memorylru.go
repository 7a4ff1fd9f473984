package cache

import "container/list"

// lru is a map that knows in which order its entries were last used. It is
// not safe for concurrent use.
type lru[K comparable, V any] struct {
	items map[K]*list.Element
	order list.List // of *lruItem[K, V], latest first
	cost  int64     // sum of the items' costs
	gone  func(V)   // if not nil, called for every value that is dropped
}

type lruItem[K comparable, V any] struct {
	key  K
	val  V
	cost int64
}

func newLRU[K comparable, V any]() *lru[K, V] {
	return &lru[K, V]{items: make(map[K]*list.Element)}
}

// get returns the value of key and makes it the latest.
func (l *lru[K, V]) get(key K) (V, bool) {
	e := l.items[key]
	if e == nil {
		var none V
		return none, false
	}
	l.order.MoveToFront(e)
	return e.Value.(*lruItem[K, V]).val, true
}

// peek is get without touching the order.
func (l *lru[K, V]) peek(key K) (V, bool) {
	e := l.items[key]
	if e == nil {
		var none V
		return none, false
	}
	return e.Value.(*lruItem[K, V]).val, true
}

// put sets the value of key and makes it the latest.
func (l *lru[K, V]) put(key K, val V, cost int64) {
	l.remove(key)
	l.items[key] = l.order.PushFront(&lruItem[K, V]{key, val, cost})
	l.cost += cost
}

func (l *lru[K, V]) remove(key K) {
	e := l.items[key]
	if e == nil {
		return
	}
	l.order.Remove(e)
	item := e.Value.(*lruItem[K, V])
	l.cost -= item.cost
	delete(l.items, key)
	if l.gone != nil {
		l.gone(item.val)
	}
}

// shrink drops the entries used longest ago until the cost is at most limit.
func (l *lru[K, V]) shrink(limit int64) {
	for l.cost > limit {
		l.remove(l.order.Back().Value.(*lruItem[K, V]).key)
	}
}
