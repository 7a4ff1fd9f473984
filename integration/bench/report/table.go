package report

import (
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"

	"pifs/integration/bench/target"
)

// Print writes the tables.
func (r *Report) Print(out io.Writer) error {
	m := r.Machine
	fmt.Fprintf(out, "%s, %d cores, Linux %s, %s; load %s before, %s after\n", m.CPU, m.Cores, m.Kernel, m.Go, m.LoadBefore, m.LoadAfter)
	for _, n := range r.Notes {
		fmt.Fprintln(out, "note:", n)
	}
	for _, print := range []func(io.Writer) error{r.printSpeeds, r.printVolumes, r.printBudget, r.printVerdicts} {
		if err := print(out); err != nil {
			return err
		}
	}
	return nil
}

// printSpeeds writes how fast the targets were that every workload can run on,
// and what πFS used.
func (r *Report) printSpeeds(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\nworkload\tpifs\tnull\tgocryptfs\tdisk\tspread\t× null\t× gocryptfs\t× disk\truns\tCPU s\tpeak MiB\trequests/1\ttransactions/1000\t")
	rows := 0
	for _, l := range r.Workloads {
		sums := r.Summaries[l.Name]
		if !slices.ContainsFunc(target.All(), func(t string) bool { _, ok := sums[t]; return ok }) {
			continue
		}
		rows++
		fmt.Fprintf(w, "%s\t", l.label())
		for _, t := range target.All() {
			fmt.Fprintf(w, "%s\t", l.speed(sums[t]))
		}
		p := sums[target.Pifs]
		fmt.Fprintf(w, "%s\t", percent(p.spread()))
		for _, t := range target.All()[1:] {
			fmt.Fprintf(w, "%s\t", figure(speedup(r.Samples, l.Name, target.Pifs, t)))
		}
		transactions := figure(1000 * p.Transactions)
		if l.Unit == "" {
			transactions = figure(p.Transactions) + " in all"
		}
		fmt.Fprintf(w, "%d\t%.2f\t%.0f\t%s\t%s\t\n", p.Runs, p.CPU, float64(p.Peak)/(1<<20), figure(p.Requests), transactions)
	}
	if rows == 0 {
		return nil
	}
	return w.Flush()
}

// printVolumes writes what was measured on volumes of certain sizes.
func (r *Report) printVolumes(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\nworkload\tvolume\tmedian\tspread\truns\tCPU s\tpeak MiB\ttransactions\t")
	rows := 0
	for _, l := range r.Workloads {
		for t, s := range r.volumes(l) {
			rows++
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%.2f\t%.0f\t%s\t\n", l.label(), t, l.speed(s), percent(s.spread()), s.Runs, s.CPU,
				float64(s.Peak)/(1<<20), figure(s.Transactions*s.Amount))
		}
	}
	if rows == 0 {
		return nil
	}
	return w.Flush()
}

// volumes goes through the other targets of a workload by name.
func (r *Report) volumes(l Workload) func(func(string, Summary) bool) {
	return func(yield func(string, Summary) bool) {
		sums := r.Summaries[l.Name]
		names := make([]string, 0, len(sums))
		for t := range sums {
			if !slices.Contains(target.All(), t) {
				names = append(names, t)
			}
		}
		slices.Sort(names)
		for _, t := range names {
			if !yield(t, sums[t]) {
				return
			}
		}
	}
}

// printBudget writes what one core can do of the write pipeline in memory.
func (r *Report) printBudget(out io.Writer) error {
	const mib = 1 << 20
	if r.Budget <= 0 {
		return nil
	}
	_, err := fmt.Fprintf(out, "\nwrite pipeline in memory on one core: %.0f MiB/s, %.2f ms of processor per MiB\n", r.Budget/mib, 1000*mib/r.Budget)
	return err
}

func (r *Report) printVerdicts(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\ngoal\treach\tmeasured\treached\t")
	for _, v := range r.Verdicts {
		value, reached := "-", "not measured"
		if v.Value != nil {
			value, reached = figure(*v.Value)+v.Unit, "no"
			if v.Reached {
				reached = "yes"
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", v.About, v.Reach, value, reached, v.Note)
	}
	return w.Flush()
}

func (l Workload) label() string {
	if l.Unit == "" {
		return l.Name + " (s)"
	}
	return l.Name + " (" + l.Unit + "/s)"
}

// speed is the rate in units, or the time in seconds if there are none.
func (l Workload) speed(s Summary) string {
	switch {
	case s.Runs == 0:
		return "-"
	case l.Unit == "":
		return figure(s.Median)
	}
	return figure(s.Amount / s.Median)
}

// figure writes three digits, or all that are before the point.
func figure(x float64) string {
	switch a := math.Abs(x); {
	case math.IsNaN(x) || math.IsInf(x, 0):
		return "-"
	case a >= 100:
		return fmt.Sprintf("%.0f", x)
	case a >= 10:
		return fmt.Sprintf("%.1f", x)
	case a >= 1:
		return fmt.Sprintf("%.2f", x)
	}
	return fmt.Sprintf("%.3f", x)
}

func percent(x float64) string {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return "-"
	}
	return fmt.Sprintf("±%.0f%%", 100*x)
}
