package report

import (
	"fmt"
	"math"
	"strings"
)

// Ref is a quantity of a workload on a target.
type Ref struct {
	Workload, Target string
	Of               Quantity
}

// Goal is something to reach: What, divided by Against if that is set.
type Goal struct {
	About   string
	What    Ref
	Against *Ref
	AtLeast bool // else at most
	Limit   float64
	Unit    string
}

// Verdict is what became of a goal.
type Verdict struct {
	About   string   `json:"about"`
	Reach   string   `json:"reach"`
	Value   *float64 `json:"value"`   // nil: not measured
	Unit    string   `json:"unit"`    // of Value
	Reached bool     `json:"reached"` // false if not measured
	Note    string   `json:"note,omitempty"`
}

// judge compares samples of the same run, so that a machine that was slow for
// a while does not count, and takes the median.
func (g Goal) judge(all []Sample) Verdict {
	v := Verdict{About: g.About, Reach: fmt.Sprintf("≤ %g%s", g.Limit, g.Unit), Unit: g.Unit}
	if g.AtLeast {
		v.Reach = fmt.Sprintf("≥ %g%s", g.Limit, g.Unit)
	}
	x := median(g.values(all))
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return v
	}
	v.Value = &x
	v.Reached = x <= g.Limit
	if g.AtLeast {
		v.Reached = x >= g.Limit
	}
	return v
}

// values returns one figure for each run that has what it takes.
func (g Goal) values(all []Sample) []float64 {
	what := g.What.byRun(all)
	var values []float64
	if g.Against == nil {
		for _, x := range what {
			values = append(values, x)
		}
		return values
	}
	against := g.Against.byRun(all)
	for run, x := range what {
		if y, ok := against[run]; ok {
			values = append(values, x/y)
		}
	}
	return values
}

func (r Ref) byRun(all []Sample) map[int]float64 {
	out := make(map[int]float64)
	for _, s := range all {
		if s.Workload == r.Workload && s.Target == r.Target {
			out[s.Run] = r.Of(s)
		}
	}
	return out
}

// speedup returns how many times as fast as target b target a did a workload.
func speedup(all []Sample, workload, a, b string) float64 {
	return median(Goal{What: Ref{workload, a, Speed}, Against: &Ref{workload, b, Speed}}.values(all))
}

// fasterThan says whether a did every workload of work faster than b.
func fasterThan(all []Sample, work []Workload, a, b string) Verdict {
	v := Verdict{About: "every workload against " + b, Reach: "faster"}
	compared, slower := 0.0, []string{}
	for _, w := range work {
		switch x := speedup(all, w.Name, a, b); {
		case math.IsNaN(x):
		case x <= 1:
			slower = append(slower, fmt.Sprintf("%s %.2f", w.Name, x))
			fallthrough
		default:
			compared++
		}
	}
	if compared == 0 {
		return v
	}
	share := 100 * (compared - float64(len(slower))) / compared
	v.Value, v.Unit, v.Reached = &share, " %", len(slower) == 0
	if len(slower) > 0 {
		v.Note = "slower: " + strings.Join(slower, ", ")
	}
	return v
}
