package decide

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"pifs/blockstore"
)

// TestQueueAgainstASortedList: the heap against a list that is sorted each time.
func TestQueueAgainstASortedList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(0, 12).Draw(t, "limit")
		q := NewQueue(limit)
		var list []Task
		find := func(a blockstore.Address) int {
			return slices.IndexFunc(list, func(t Task) bool { return t.Address == a })
		}
		for range rapid.IntRange(0, 80).Draw(t, "steps") {
			a := blockstore.Address{byte(rapid.IntRange(0, 20).Draw(t, "stripe"))}
			if rapid.IntRange(0, 3).Draw(t, "what") == 0 {
				q.Remove(a)
				list = slices.DeleteFunc(list, func(t Task) bool { return t.Address == a })
			} else {
				task := Task{Address: a, Urgency: Urgency(rapid.IntRange(2, 4).Draw(t, "urgency")),
					Margin: rapid.IntRange(-2, 3).Draw(t, "margin"), Since: int64(rapid.IntRange(0, 5).Draw(t, "since"))}
				q.Put(task)
				if i := find(a); i >= 0 {
					task.Since = min(task.Since, list[i].Since)
					list[i] = task
				} else {
					list = append(list, task)
				}
				slices.SortFunc(list, Task.compare)
				list = list[:min(len(list), limit)]
			}
			slices.SortFunc(list, Task.compare)
			first, ok := q.First()
			if q.Len() != len(list) || ok != (len(list) > 0) || ok && first != list[0] {
				t.Fatalf("%d in the queue, first %+v; want %+v", q.Len(), first, list)
			}
		}
		for _, want := range list {
			first, _ := q.First()
			if first != want {
				t.Fatalf("%+v, want %+v", first, want)
			}
			q.Remove(first.Address)
		}
	})
}

// In any span, no more goes through than the rate gives, one bucket, and one
// item; who waits as long as told gets it; what is not urgent leaves a reserve.
func TestBudgetBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := Budget{Rate: int64(rapid.IntRange(1, 1000).Draw(t, "rate")), Burst: int64(rapid.IntRange(0, 500).Draw(t, "burst"))}
		at, begin, spent, largest := int64(1), int64(1), int64(0), int64(0)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			at += rapid.Int64Range(0, int64(time.Second)).Draw(t, "pause")
			n := int64(rapid.IntRange(0, 800).Draw(t, "bytes"))
			urgent := rapid.Bool().Draw(t, "urgent")
			wait, ok := b.Take(n, at, urgent)
			if !ok {
				if wait <= 0 {
					t.Fatalf("told to wait for %v", wait)
				}
				if rapid.Bool().Draw(t, "waits") {
					at += int64(wait) + 1
					if _, ok = b.Take(n, at, urgent); !ok {
						t.Fatal("not let through after the wait")
					}
				}
			}
			if ok {
				spent, largest = spent+n, max(largest, n)
				if !urgent && n <= max(b.Burst, 1)/2 && b.level < float64(max(b.Burst, 1))/2-1e-6 {
					t.Fatalf("the reserve went to what is not urgent: %v of %d left", b.level, b.Burst)
				}
			}
			allowed := float64(at-begin)/1e9*float64(b.Rate) + float64(max(b.Burst, 1)+largest)
			if float64(spent) > allowed+1 {
				t.Fatalf("%d bytes, %v are allowed", spent, allowed)
			}
		}
	})
}

func TestBudgetWithoutBound(t *testing.T) {
	var b Budget
	if _, ok := b.Take(1<<60, 5, false); !ok {
		t.Error("the zero budget refused")
	}
}

// A clock that goes back neither fills nor empties the bucket.
func TestBudgetClockGoesBack(t *testing.T) {
	b := Budget{Rate: 10, Burst: 100}
	b.Take(100, 1e12, true)
	if _, ok := b.Take(50, 0, true); ok {
		t.Error("filled by a clock that went back")
	}
	if wait, _ := b.Take(50, 0, true); wait != 5*time.Second {
		t.Errorf("wait for %v", wait)
	}
	b.Return(50)
	if _, ok := b.Take(50, 0, true); !ok {
		t.Error("what was given back is not there")
	}
}
