package main

import "math"

const (
	maxGrowth = 0.05 // per hour, of a series' mean: more is not flat
	scatter   = 3.0  // standard errors by which a slope must exceed that
)

// trend is the straight line through a series over its second half.
type trend struct {
	Mean  float64 `json:"mean"`
	Slope float64 `json:"slope"` // per hour
	Error float64 `json:"error"` // standard error of the slope
	Flat  bool    `json:"flat"`
}

// fit draws the line by least squares, and calls the series flat unless its
// growth exceeds slack and maxGrowth by more than the scatter explains. Samples
// that follow each other are alike, so there are fewer independent ones than
// there are: the error is widened by their correlation (the effective sample
// size of Bayley and Hammersley, 1946, for a first-order process).
func fit(seconds, values []float64, slack float64) trend {
	x, y := seconds[len(seconds)/2:], values[len(values)/2:]
	n := float64(len(x))
	if n < 3 {
		return trend{Flat: true}
	}
	mx, my := mean(x), mean(y)
	var sxx, sxy float64
	for i := range x {
		sxx += (x[i] - mx) * (x[i] - mx)
		sxy += (x[i] - mx) * (y[i] - my)
	}
	slope := sxy / sxx
	var rest, along float64
	before := 0.0
	for i := range x {
		r := y[i] - my - slope*(x[i]-mx)
		rest += r * r
		along += r * before
		before = r
	}
	widen := 1.0
	if rest > 0 {
		rho := min(max(along/rest, 0), 0.95)
		widen = math.Sqrt((1 + rho) / (1 - rho))
	}
	t := trend{Mean: my, Slope: slope * 3600, Error: 3600 * widen * math.Sqrt(rest/(n-2)/sxx)}
	t.Flat = t.Slope-scatter*t.Error <= max(slack, maxGrowth*my)
	return t
}

func mean(v []float64) float64 {
	var sum float64
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}
