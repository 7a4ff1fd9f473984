package main

import "container/heap"

// event is something that happens at a time, in nanoseconds of virtual time.
// Of two at one time the one that was planned first comes first.
type event struct {
	at  int64
	seq int
	do  func()
}

// timeline is the future.
type timeline struct {
	now    int64
	seq    int
	events eventHeap
}

// after plans something; delays are nanoseconds.
func (t *timeline) after(delay int64, do func()) {
	t.seq++
	heap.Push(&t.events, event{at: t.now + max(delay, 0), seq: t.seq, do: do})
}

// run lets time pass until the time end.
func (t *timeline) run(end int64) {
	for len(t.events) > 0 && t.events[0].at <= end {
		e := heap.Pop(&t.events).(event)
		t.now = e.at
		e.do()
	}
	t.now = end
}

type eventHeap []event

var _ heap.Interface = (*eventHeap)(nil)

func (h eventHeap) Len() int { return len(h) }
func (h eventHeap) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].seq < h[j].seq
}
func (h eventHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *eventHeap) Push(x any)   { *h = append(*h, x.(event)) }
func (h *eventHeap) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = event{}
	*h = (*h)[:last]
	return e
}
