package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// pair is a run and what the model says of it.
type pair struct {
	run   outcome
	model model
}

func compare(o options) pair {
	r := simulate(o)
	return pair{run: r, model: modelOf(o, r.repairSeconds)}
}

// simulate lets the years pass, after half a life of which nothing is counted.
func simulate(o options) outcome {
	w := newWorld(o)
	begin := int64(o.life / 2 * day * float64(second))
	w.run(begin)
	w.stats = newStats(o) // at first all stripes are whole, and nodes know of no loss
	w.run(begin + int64(o.years*year*float64(second)))
	return w.outcome()
}

// sweep runs small swarms whose nodes live shorter and shorter, until stripes
// are lost often enough to count. At a mean life of a year there is nothing to
// compare: the model loses one stripe in 10⁹ years.
func sweep(o options) []pair {
	var pairs []pair
	for _, life := range []float64{365, 120, 60, 40, 30, 25} {
		o.life, o.nodes, o.stripes = life, 300, 1000
		o.years = min(life/100, 0.8)
		o.stored = 1e11 // a repair takes no time that matters
		pairs = append(pairs, compare(o))
	}
	return pairs
}

// print writes the figures of a run for people.
func (p pair) print(out io.Writer) error {
	o, t, w := p.run.options, p.run.stats, tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(what, format string, values ...any) {
		fmt.Fprintf(w, "  %s\t%s\n", what, fmt.Sprintf(format, values...))
	}
	fmt.Fprintf(w, "%d nodes in %d jurisdictions, class %v, mean life %.0f days, %.3g years, %d bundles, seed %d\n",
		o.nodes, o.jurisdictions, o.class, o.life, o.years, o.stripes, o.seed)
	line("happened", "%d nodes died, %d jurisdictions went dark, %d shards rotted, %d liars convicted", t.deaths, t.darkened, t.rotted, t.convicted)
	line("stripes lost", "%d of %.0f stripe-years; the model expects %.2g", t.lost, p.run.stripeYears, p.model.losses*p.run.stripeYears)
	line("availability", "%.7f", p.run.availability)
	line("repairs", "%.2f per stripe and year, model %.2f; each takes %.0f s on average; %d tried in vain",
		float64(t.repairs)/p.run.stripeYears, p.model.repairs, p.run.repairSeconds, t.failed)
	line("repair traffic", "%.2f bytes per stored byte and year, model %.2f", p.run.traffic, p.model.traffic)
	line("", "%.0f kB/s for each node of %.3g bytes", p.run.traffic*float64(o.stored)/year/1e3, float64(o.stored))
	line("challenge traffic", "%.5f bytes per stored byte and year, %.0f kB for a proof", p.run.challenge, float64(t.challengeBytes)/float64(max(t.challenges, 1))/1e3)
	line("balance", "shards per node: deviation %.2f of the mean, the fullest %.2f × the mean", p.run.spread, p.run.fullest)
	line("where", "%.1f %% of shards at one of the first n members for their stripe, %.1f %% at one of 2n", 100*p.run.atHome, 100*p.run.near)
	line("survives now", "any %d nodes, any %d operators, any %d jurisdictions", p.run.survives.Nodes, p.run.survives.Operators, p.run.survives.Places)
	return w.Flush()
}

// printSweep writes losses and traffic over the mean life.
func printSweep(out io.Writer, pairs []pair) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "mean life, days\tstripe-years\tlost\tmodel\ttraffic\tmodel\t")
	for _, p := range pairs {
		fmt.Fprintf(w, "%.0f\t%.0f\t%d\t%.3g\t%.2f\t%.2f\t\n", p.run.options.life, p.run.stripeYears, p.run.stats.lost,
			p.model.losses*p.run.stripeYears, p.run.traffic, p.model.traffic)
	}
	return w.Flush()
}
