package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// report is what a torture found out.
type report struct {
	Seconds  float64          `json:"seconds"`
	Soak     string           `json:"soak"` // what was wrong with it
	Trends   map[string]trend `json:"trends"`
	Verdicts []verdict        `json:"verdicts"`
	Samples  []sample         `json:"samples"`
}

func newReport(took time.Duration, samples []sample, soakErr error, all []verdict) *report {
	r := &report{Seconds: took.Seconds(), Trends: map[string]trend{}, Verdicts: all, Samples: samples}
	if soakErr != nil {
		r.Soak = soakErr.Error()
	}
	for _, s := range series {
		x, y := columns(samples, s.value)
		r.Trends[s.name] = fit(x, y, s.slack)
	}
	return r
}

func columns(samples []sample, value func(sample) float64) (x, y []float64) {
	for _, s := range samples {
		x, y = append(x, s.Seconds), append(y, value(s))
	}
	return x, y
}

// err says all that makes a torture fail.
func (r *report) err() error {
	var all []error
	if r.Soak != "" {
		all = append(all, errors.New("soak: "+r.Soak))
	}
	for _, s := range series {
		if t := r.Trends[s.name]; s.flat && !t.Flat {
			all = append(all, fmt.Errorf("soak: %s grows by %.1f ± %.1f %s an hour, from %.1f", s.name, t.Slope, t.Error, s.unit, t.Mean))
		}
	}
	for _, v := range r.Verdicts {
		if !v.OK {
			all = append(all, fmt.Errorf("%s failed", v.Trial))
		}
	}
	return errors.Join(all...)
}

// markdown is the summary for people.
func (r *report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Torture: %s\n\n", (time.Duration(r.Seconds) * time.Second).String())
	fmt.Fprintf(&b, "## Soak\n\n%d loads on one mount, %d samples, the line through the second half of them.\n\n", loads, len(r.Samples))
	fmt.Fprintln(&b, "| figure | mean | change per hour | |\n|---|---|---|---|")
	for _, s := range series {
		t := r.Trends[s.name]
		word := map[bool]string{true: "flat", false: "GROWS"}[t.Flat]
		if !s.flat {
			word = ""
		}
		fmt.Fprintf(&b, "| %s | %.1f %s | %+.1f ± %.1f | %s |\n", s.name, t.Mean, s.unit, t.Slope, t.Error, word)
	}
	fmt.Fprintln(&b, "\n![the figures over time](soak.svg)\n\n## Trials\n\n| trial | runs | failed | seconds | the last one says |\n|---|---|---|---|---|")
	for _, name := range r.names() {
		runs, failed, seconds, says := 0, 0, 0.0, ""
		for _, v := range r.Verdicts {
			if v.Trial != name {
				continue
			}
			runs++
			seconds += v.Seconds
			if !v.OK {
				failed++
			} else if len(v.Says) > 0 {
				says = v.Says[len(v.Says)-1]
			}
		}
		fmt.Fprintf(&b, "| %s | %d | %d | %.0f | %s |\n", name, runs, failed, seconds, says)
	}
	for _, v := range r.Verdicts {
		if !v.OK {
			fmt.Fprintf(&b, "\n## %s failed\n\nAll of it is in `%s`. Again (seeds are printed below): `%s`\n\n```\n%s\n```\n", v.Trial, v.Log, v.Again, v.Output)
		}
	}
	if err := r.err(); err != nil {
		fmt.Fprintf(&b, "\n**Failed:** %s\n", strings.ReplaceAll(err.Error(), "\n", "; "))
	} else {
		fmt.Fprintln(&b, "\nPassed.")
	}
	return b.String()
}

// names returns the trials that ran, in their order.
func (r *report) names() []string {
	var out []string
	seen := map[string]bool{}
	for _, v := range r.Verdicts {
		if !seen[v.Trial] {
			seen[v.Trial] = true
			out = append(out, v.Trial)
		}
	}
	return out
}

// save writes everything into dir.
func (r *report) save(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "summary.json"), append(raw, '\n'), 0o644),
		os.WriteFile(filepath.Join(dir, "summary.md"), []byte(r.markdown()), 0o644),
		r.plot(filepath.Join(dir, "soak.svg")), r.plot(filepath.Join(dir, "soak.png")))
}
