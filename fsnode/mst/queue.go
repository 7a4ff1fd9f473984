package mst

// queue hands out the edits of one level in order. An edit is an item that
// replaces or adds the one with its key, or drops it.
type queue struct {
	n   int // edits left
	pos int
	at  func(i int) item
}

func changeQueue(changes []Change) *queue {
	return &queue{n: len(changes), at: func(i int) item {
		key := changes[i].Key
		if key == nil {
			key = []byte{}
		}
		return item{key: key, value: changes[i].Value}
	}}
}

func itemQueue(items []item) *queue {
	return &queue{n: len(items), at: func(i int) item { return items[i] }}
}

func (q *queue) more() bool { return q.pos < q.n }
func (q *queue) peek() item { return q.at(q.pos) }
func (q *queue) pop()       { q.pos++ }
