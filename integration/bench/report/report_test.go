package report

import (
	"bytes"
	"math"
	"strings"
	"testing"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3}, {[]float64{3, 1}, 2}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 2, 100}, 3},
	} {
		if got := median(c.values); got != c.want {
			t.Errorf("median of %v: %v, want %v", c.values, got, c.want)
		}
	}
	if !math.IsNaN(median(nil)) {
		t.Error("the median of nothing is a number")
	}
}

// samples returns three runs, in one of which the machine was slow.
func samples() []Sample {
	var all []Sample
	for run, slow := range []float64{1, 10, 1} {
		all = append(all,
			Sample{Workload: "w", Target: "pifs", Run: run, Amount: 8, Seconds: 4 * slow, Settle: 4 * slow, CPU: 1, Peak: int64(run)},
			Sample{Workload: "w", Target: "null", Run: run, Amount: 8, Seconds: slow},
			Sample{Workload: "w", Target: "gocryptfs", Run: run, Amount: 8, Seconds: 5 * slow},
			Sample{Workload: "other", Target: "null", Run: run, Amount: 1, Seconds: 77})
	}
	return all
}

// TestRatios: what was measured in the same run is compared.
func TestRatios(t *testing.T) {
	all := samples()
	if got := speedup(all, "w", "pifs", "null"); got != 0.25 {
		t.Errorf("ratio %v, want 0.25", got)
	}
	got := summarise(all)["w"]["pifs"]
	if want := (Summary{Runs: 3, Amount: 8, Median: 4, Low: 4, High: 40, Settle: 4, CPU: 1, Peak: 2}); got != want {
		t.Errorf("summary %+v, want %+v", got, want)
	}
}

func TestGoals(t *testing.T) {
	pifs := func(q Quantity) Ref { return Ref{"w", "pifs", q} }
	null := func(q Quantity) *Ref { return &Ref{"w", "null", q} }
	for _, c := range []struct {
		goal    Goal
		value   float64
		reached bool
	}{
		{Goal{What: pifs(Speed), Against: null(Speed), AtLeast: true, Limit: 0.25}, 0.25, true},
		{Goal{What: pifs(SettledSpeed), Against: null(SettledSpeed), AtLeast: true, Limit: 0.25}, 0.125, false},
		{Goal{What: pifs(Seconds), Against: null(Seconds), Limit: 4}, 4, true},
		{Goal{What: pifs(Seconds), Against: null(Seconds), Limit: 3.9}, 4, false},
		{Goal{What: pifs(CPUMillis), Limit: 125}, 125, true},
		{Goal{What: pifs(Millis), Limit: 499}, 500, false},
	} {
		v := c.goal.judge(samples())
		if v.Value == nil || *v.Value != c.value || v.Reached != c.reached {
			t.Errorf("%+v, want %v %v", v, c.value, c.reached)
		}
	}
	if v := (Goal{What: Ref{"none", "pifs", Speed}, Limit: 1}).judge(samples()); v.Value != nil || v.Reached {
		t.Errorf("not measured: %+v", v)
	}
}

func TestFasterThan(t *testing.T) {
	work := []Workload{{Name: "w"}, {Name: "other"}}
	if v := fasterThan(samples(), work, "pifs", "gocryptfs"); !v.Reached || *v.Value != 100 {
		t.Errorf("%+v", v)
	}
	if v := fasterThan(samples(), work, "pifs", "null"); v.Reached || *v.Value != 0 || !strings.Contains(v.Note, "w 0.25") {
		t.Errorf("%+v", v)
	}
	if v := fasterThan(samples(), work, "pifs", "disk"); v.Reached || v.Value != nil {
		t.Errorf("%+v", v)
	}
}

func TestPrint(t *testing.T) {
	r := New([]Workload{{Name: "w", Unit: "MiB"}}, samples(), []Goal{{About: "be quick", What: Ref{"w", "pifs", Seconds}, Limit: 5, Unit: " s"}}, nil)
	var out bytes.Buffer
	if err := r.Print(&out); err != nil {
		t.Fatal(err)
	}
	lines := make(map[string]bool)
	for line := range strings.Lines(out.String()) {
		lines[strings.Join(strings.Fields(line), " ")] = true
	}
	for _, want := range []string{
		"w (MiB/s) 2.00 8.00 1.60 - ±450% 0.250 1.25 - 3 1.00 0 0.000 0.000",
		"be quick ≤ 5 s 4.00 s yes",
		"every workload against gocryptfs faster 100 % yes",
	} {
		if !lines[want] {
			t.Errorf("there is no line %q in\n%s", want, &out)
		}
	}
}
