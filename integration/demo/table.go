package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// tell prints what the copies cost.
func (d *demo) tell(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tone copy\ttwo copies\t")
	mib := func(title string, a, b int64) {
		fmt.Fprintf(w, "%s\t%.1f MiB\t%.1f MiB\t\n", title, float64(a)/(1<<20), float64(b)/(1<<20))
	}
	times := func(title string, a, b float64) { fmt.Fprintf(w, "%s\t%.2f×\t%.2f×\t\n", title, a, b) }
	mib("logical", d.once.Logical, d.twice.Logical)
	mib("unique", d.once.Unique, d.twice.Unique)
	mib("compressed", d.once.Compressed, d.twice.Compressed)
	mib("stored, class "+d.once.Class, d.once.Stored, d.twice.Stored)
	times("dedup", d.once.DedupRatio, d.twice.DedupRatio)
	times("compression", d.once.CompressionRatio, d.twice.CompressionRatio)
	times("overhead", d.once.Overhead, d.twice.Overhead)
	fmt.Fprintf(w, "blocks\t%d\t%d\t\n", d.once.Blocks, d.twice.Blocks)
	fmt.Fprintf(w, "shards\t%d\t%d\t\n", d.once.Shards, d.twice.Shards)
	fmt.Fprintf(w, "reads decoded without two stores\t\t%d\t\n", d.degraded.Cache.Degraded)
	return w.Flush()
}
