package report

import (
	"encoding/json"
	"os"
	"path/filepath"

	"pifs/integration/bench/target"
)

// Report is what a measurement found out.
type Report struct {
	Machine   Machine                       `json:"machine"`
	Settings  map[string]string             `json:"settings"`
	Notes     []string                      `json:"notes"`  // what was left out, and why
	Budget    float64                       `json:"budget"` // bytes a second of the write pipeline, in memory on one core
	Workloads []Workload                    `json:"workloads"`
	Samples   []Sample                      `json:"samples"`
	Summaries map[string]map[string]Summary `json:"summaries"`
	Verdicts  []Verdict                     `json:"verdicts"`

	curves []Curve
}

// New folds samples and judges goals. Notes, machine and the like are the
// caller's to fill in.
func New(work []Workload, all []Sample, goals []Goal, curves []Curve) *Report {
	r := &Report{Workloads: work, Samples: all, Summaries: summarise(all), curves: curves}
	for _, g := range goals {
		r.Verdicts = append(r.Verdicts, g.judge(all))
	}
	r.Verdicts = append(r.Verdicts, fasterThan(all, work, target.Pifs, target.Gocryptfs))
	return r
}

// Save writes the numbers and the plots into dir.
func (r *Report) Save(dir string) error {
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
	if err := r.plotSpeeds(filepath.Join(dir, "bench.svg")); err != nil {
		return err
	}
	return r.plotCurves(dir)
}
