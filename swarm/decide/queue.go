package decide

import (
	"bytes"
	"cmp"
	"container/heap"

	"pifs/blockstore"
)

// Task is a stripe that waits for repair.
type Task struct {
	Address blockstore.Address
	Urgency Urgency
	Margin  int   // proved shards − k
	Since   int64 // when it was first found so
	Cost    int64 // bytes that are read and written
}

// compare orders the most endangered first: by urgency, then by margin, then by
// how long they wait.
func (t Task) compare(o Task) int {
	return cmp.Or(cmp.Compare(o.Urgency, t.Urgency), cmp.Compare(t.Margin, o.Margin),
		cmp.Compare(t.Since, o.Since), bytes.Compare(t.Address[:], o.Address[:]))
}

// Queue holds stripes that wait for repair, most endangered first. It is
// bounded: the least endangered give way, and are found again by a later look.
// It is not safe for concurrent use.
type Queue struct {
	limit int
	tasks taskHeap
}

// NewQueue returns a queue of at most limit tasks.
func NewQueue(limit int) *Queue {
	return &Queue{limit: limit, tasks: taskHeap{at: make(map[blockstore.Address]int)}}
}

// Len returns how many tasks wait.
func (q *Queue) Len() int { return len(q.tasks.list) }

// Has reports whether a stripe waits.
func (q *Queue) Has(a blockstore.Address) bool {
	_, ok := q.tasks.at[a]
	return ok
}

// Put enters a task or replaces that of the same stripe, which keeps its
// Since. It reports whether the task is in the queue.
func (q *Queue) Put(t Task) bool {
	if i, ok := q.tasks.at[t.Address]; ok {
		t.Since = min(t.Since, q.tasks.list[i].Since)
		q.tasks.list[i] = t
		heap.Fix(&q.tasks, i)
		return true
	}
	if q.limit <= 0 {
		return false
	}
	if q.Len() >= q.limit {
		last := q.tasks.last()
		if t.compare(q.tasks.list[last]) >= 0 {
			return false
		}
		heap.Remove(&q.tasks, last)
	}
	heap.Push(&q.tasks, t)
	return true
}

// Remove takes a stripe out.
func (q *Queue) Remove(a blockstore.Address) {
	if i, ok := q.tasks.at[a]; ok {
		heap.Remove(&q.tasks, i)
	}
}

// First returns the most endangered without taking it out.
func (q *Queue) First() (Task, bool) {
	if q.Len() == 0 {
		return Task{}, false
	}
	return q.tasks.list[0], true
}

// taskHeap is a heap that knows where each stripe stands.
type taskHeap struct {
	list []Task
	at   map[blockstore.Address]int // index in list
}

var _ heap.Interface = (*taskHeap)(nil)

func (h *taskHeap) Len() int           { return len(h.list) }
func (h *taskHeap) Less(i, j int) bool { return h.list[i].compare(h.list[j]) < 0 }

func (h *taskHeap) Swap(i, j int) {
	h.list[i], h.list[j] = h.list[j], h.list[i]
	h.at[h.list[i].Address], h.at[h.list[j].Address] = i, j
}

func (h *taskHeap) Push(x any) {
	t := x.(Task)
	h.at[t.Address] = len(h.list)
	h.list = append(h.list, t)
}

func (h *taskHeap) Pop() any {
	t := h.list[len(h.list)-1]
	h.list = h.list[:len(h.list)-1]
	delete(h.at, t.Address)
	return t
}

// last returns the index of the least endangered, which is one of the leaves.
func (h *taskHeap) last() int {
	worst := len(h.list) / 2
	for i := worst + 1; i < len(h.list); i++ {
		if h.list[i].compare(h.list[worst]) > 0 {
			worst = i
		}
	}
	return worst
}
