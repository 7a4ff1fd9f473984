// Package report makes tables, verdicts and plots of what was measured.
package report

import (
	"math"
	"slices"

	"pifs/integration/bench/target"
)

// Workload says what was done to targets.
type Workload struct {
	Name  string `json:"name"`
	About string `json:"about"`
	Unit  string `json:"unit"` // of Sample.Amount; "" if the time alone matters
}

// Sample is what one workload took on one target in one run. What the serving
// process used and did includes the settling.
type Sample struct {
	Workload string  `json:"workload"`
	Target   string  `json:"target"`
	Run      int     `json:"run"`
	Amount   float64 `json:"amount"`  // how many units were worked on
	Seconds  float64 `json:"seconds"` // of what is measured
	Settle   float64 `json:"settle"`  // seconds from then on until all is where it is to stay
	CPU      float64 `json:"cpu"`     // seconds of the serving process
	Peak     int64   `json:"peak"`    // its largest resident size, bytes
	target.Work
}

// Quantity is something that a sample tells.
type Quantity func(Sample) float64

// Speed is units per second.
func Speed(s Sample) float64 { return s.Amount / s.Seconds }

// SettledSpeed is units per second until they are where they are to stay.
func SettledSpeed(s Sample) float64 { return s.Amount / (s.Seconds + s.Settle) }

// Seconds is the time.
func Seconds(s Sample) float64 { return s.Seconds }

// Millis is milliseconds per unit.
func Millis(s Sample) float64 { return 1000 * s.Seconds / s.Amount }

// CPUMillis is milliseconds of the serving process per unit.
func CPUMillis(s Sample) float64 { return 1000 * s.CPU / s.Amount }

// Reads is reads of shards per unit.
func Reads(s Sample) float64 { return float64(s.ShardReads) / s.Amount }

// PeakMiB is the largest resident size.
func PeakMiB(s Sample) float64 { return float64(s.Peak) / (1 << 20) }

// Summary is what the runs of one workload on one target amount to.
type Summary struct {
	Runs   int     `json:"runs"`
	Amount float64 `json:"amount"` // of the last run
	Median float64 `json:"median"` // seconds
	Low    float64 `json:"low"`    // the fastest run
	High   float64 `json:"high"`   // the slowest
	Settle float64 `json:"settle"` // median, seconds
	CPU    float64 `json:"cpu"`    // median, seconds
	Peak   int64   `json:"peak"`   // the largest, bytes

	Requests     float64 `json:"requests"`     // per unit, median
	Transactions float64 `json:"transactions"` // per unit, median
}

// spread is half of what the runs differ by, as a part of the median.
func (s Summary) spread() float64 { return (s.High - s.Low) / s.Median / 2 }

// summarise folds samples by workload and target.
func summarise(all []Sample) map[string]map[string]Summary {
	groups := make(map[[2]string][]Sample)
	for _, s := range all {
		k := [2]string{s.Workload, s.Target}
		groups[k] = append(groups[k], s)
	}
	out := make(map[string]map[string]Summary)
	for k, group := range groups {
		if out[k[0]] == nil {
			out[k[0]] = make(map[string]Summary)
		}
		out[k[0]][k[1]] = fold(group)
	}
	return out
}

func fold(group []Sample) Summary {
	of := func(q Quantity) float64 {
		values := make([]float64, len(group))
		for i, s := range group {
			values[i] = q(s)
		}
		return median(values)
	}
	sum := Summary{
		Runs: len(group), Low: math.Inf(1), Median: of(Seconds),
		Settle:       of(func(s Sample) float64 { return s.Settle }),
		CPU:          of(func(s Sample) float64 { return s.CPU }),
		Requests:     of(func(s Sample) float64 { return float64(s.Requests) / s.Amount }),
		Transactions: of(func(s Sample) float64 { return float64(s.Transactions) / s.Amount }),
	}
	for _, s := range group {
		sum.Amount = s.Amount
		sum.Low, sum.High = min(sum.Low, s.Seconds), max(sum.High, s.Seconds)
		sum.Peak = max(sum.Peak, s.Peak)
	}
	return sum
}

// median returns the middle of values, or the mean of the two in the middle;
// NaN if there are none.
func median(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	if len(v) == 0 {
		return math.NaN()
	}
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}
