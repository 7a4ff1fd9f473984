package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

const usage = `Runs the swarm's own decisions through years of virtual time and compares repair
traffic and losses with a Markov model. Writes simulate.json, losses.svg,
traffic.svg and proved.svg.

Without -rough, nodes come, are away, and go. With it, jurisdictions go dark,
shards rot, operators have several nodes, and some nodes lie. -sweep adds small
swarms whose nodes live from a year down to 25 days.

  go run ./integration/simulate
  go run ./integration/simulate -rough
  go run ./integration/simulate -nodes 10000 -stripes 300 -years 0.5 -stored 10000000000
  go run ./integration/simulate -sweep

`

func run(args []string, out io.Writer) error {
	f := flag.NewFlagSet("simulate", flag.ContinueOnError)
	f.SetOutput(out)
	o := calm()
	if hasRough(args) {
		o = rough()
	}
	o.register(f)
	f.Bool("rough", false, "dark jurisdictions, rot, liars, operators with several nodes")
	sweeps := f.Bool("sweep", false, "also shorter and shorter lives, for losses that can be counted")
	dir := f.String("out", "integration/simulate/out", "where figures and plots go")
	f.Usage = func() {
		fmt.Fprint(out, usage)
		f.PrintDefaults()
	}
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("%q is no flag; see -help", f.Arg(0))
	}
	if err := o.validate(); err != nil {
		return err
	}
	main := compare(o)
	if err := main.print(out); err != nil {
		return err
	}
	var lives []pair
	if *sweeps {
		lives = sweep(o)
		if err := printSweep(out, lives); err != nil {
			return err
		}
	}
	return save(*dir, main, lives)
}

// hasRough finds the flag that other flags' defaults depend on.
func hasRough(args []string) bool {
	for _, a := range args {
		if a == "-rough" || a == "--rough" || a == "-rough=true" {
			return true
		}
	}
	return false
}

// figures are what simulate.json holds of a run.
type figures struct {
	Nodes                 int     `json:"nodes"`
	Seed                  uint64  `json:"seed"`
	LifeDays              float64 `json:"life_days"`
	StripeYears           float64 `json:"stripe_years"`
	Lost                  int     `json:"lost"`
	LostByModel           float64 `json:"lost_by_model"`
	Availability          float64 `json:"availability"`
	RepairTraffic         float64 `json:"repair_traffic_per_stored_byte_and_year"`
	RepairTrafficByModel  float64 `json:"repair_traffic_by_model"`
	ChallengeTraffic      float64 `json:"challenge_traffic_per_stored_byte_and_year"`
	BalanceDeviation      float64 `json:"balance_deviation"`
	SurvivesNodes         int     `json:"survives_nodes"`
	SurvivesJurisdictions int     `json:"survives_jurisdictions"`
}

func (p pair) figures() figures {
	return figures{
		Nodes: p.run.options.nodes, Seed: p.run.options.seed, LifeDays: p.run.options.life, StripeYears: p.run.stripeYears,
		Lost: p.run.stats.lost, LostByModel: p.model.losses * p.run.stripeYears, Availability: p.run.availability,
		RepairTraffic: p.run.traffic, RepairTrafficByModel: p.model.traffic, ChallengeTraffic: p.run.challenge,
		BalanceDeviation: p.run.spread, SurvivesNodes: p.run.survives.Nodes, SurvivesJurisdictions: p.run.survives.Places,
	}
}

func save(dir string, main pair, lives []pair) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	all := []figures{main.figures()}
	for _, p := range lives {
		all = append(all, p.figures())
	}
	b, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "simulate.json"), append(b, '\n'), 0o644); err != nil {
		return err
	}
	if err := plotProved(filepath.Join(dir, "proved.svg"), main); err != nil {
		return err
	}
	if len(lives) == 0 {
		return nil
	}
	if err := plotLosses(filepath.Join(dir, "losses.svg"), lives); err != nil {
		return err
	}
	return plotTraffic(filepath.Join(dir, "traffic.svg"), lives)
}
