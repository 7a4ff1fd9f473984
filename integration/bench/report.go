package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
)

// report is what a measurement found out.
type report struct {
	Budget    float64                       `json:"budget"` // bytes a second of the pipeline on one core
	Samples   []sample                      `json:"samples"`
	Summaries map[string]map[string]summary `json:"summaries"`

	work []workload
}

func newReport(work []workload, all []sample, budget float64) *report {
	return &report{Budget: budget, Samples: all, Summaries: summarise(all), work: work}
}

// print writes the table and what the pipeline reaches.
func (r *report) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "workload\tpifs\tnull\tdisk\tgocryptfs\tspread\t× null\t× disk\t× gocryptfs\tCPU\tpeak RSS\treach\t")
	for _, l := range r.work {
		sums := r.Summaries[l.name]
		p := sums["pifs"]
		fmt.Fprintf(w, "%s %s/s\t%s\t%s\t%s\t%s\t±%.0f%%\t%s\t%s\t%s\t%.2f s\t%d MiB\t%s\t\n", l.name, l.unit,
			rate(l, p), rate(l, sums["null"]), rate(l, sums["disk"]), rate(l, sums["gocryptfs"]), 50*(p.High-p.Low)/p.Median,
			times(r.times(l, "null")), times(r.times(l, "disk")), times(r.times(l, "gocryptfs")), p.CPU, p.Peak/mib, r.verdict(l))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\npipeline in memory on one core: %.0f MiB/s\n", r.Budget/mib)
	if err != nil {
		return err
	}
	return r.printBudget(out)
}

// printBudget compares what was written and settled with what one core could
// do, by the clock and by the processor time that the daemon used.
func (r *report) printBudget(out io.Writer) error {
	for _, l := range r.work {
		sum, ok := r.Summaries[l.name]["pifs"]
		if !ok || l.name != "write-settled" {
			continue
		}
		bytes := l.amount * mib
		_, err := fmt.Fprintf(out, "pipeline reaches %.0f%% of one core's budget by the clock; the daemon used %.2f ms of processor per MiB, the budget is %.2f\n",
			100*bytes/sum.Median/r.Budget, 1000*sum.CPU/l.amount, 1000*mib/r.Budget)
		return err
	}
	return nil
}

// times returns how many times as fast πFS was at l as a target was, or as it
// was itself at the workload of that name; NaN if that was not measured.
func (r *report) times(l workload, against string) float64 {
	for _, other := range r.work {
		if other.name == against {
			mine, theirs := r.Summaries[l.name]["pifs"].Median/l.amount, r.Summaries[against]["pifs"].Median/other.amount
			return theirs / mine
		}
	}
	return ratios(r.Samples, l.name, "pifs", against)
}

func times(x float64) string {
	if math.IsNaN(x) {
		return "-"
	}
	return fmt.Sprintf("%.2f", x)
}

// verdict says of each reach whether πFS came to it.
func (r *report) verdict(l workload) string {
	var out []string
	for _, g := range l.reach {
		x := r.times(l, g.against)
		if math.IsNaN(x) {
			continue
		}
		word := "yes"
		if x < g.times {
			word = "NO"
		}
		out = append(out, fmt.Sprintf("%.2f %s: %s", g.times, g.against, word))
	}
	return strings.Join(out, ", ")
}

func rate(l workload, s summary) string {
	if s.Median == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f", l.amount/s.Median)
}

// save writes the numbers and the plot into dir.
func (r *report) save(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "bench.json"), append(b, '\n'), 0o644); err != nil {
		return err
	}
	return r.plot(filepath.Join(dir, "bench.svg"))
}
