package main

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"pifs/blockstore"
	"pifs/swarm/decide"
)

// small is a swarm that a test can wait for. Its nodes live a month, so that
// stripes are repaired often.
func small() options {
	o := calm()
	o.nodes, o.stripes, o.life, o.years, o.stored = 100, 100, 60, 0.5, 1e10
	return o
}

// TestRepairTrafficIsTheModels: what the decisions cost is what the chain says,
// within a tenth; and nothing is lost that it does not expect to be.
func TestRepairTrafficIsTheModels(t *testing.T) {
	p := compare(small())
	if r := p.run.traffic / p.model.traffic; r < 0.85 || r > 1.15 {
		t.Errorf("repair traffic %.2f, model %.2f", p.run.traffic, p.model.traffic)
	}
	if p.run.stats.lost > 0 { // expected: 0.03
		t.Errorf("%d stripes lost", p.run.stats.lost)
	}
	if p.run.stats.repairs == 0 || p.run.availability < 0.999 {
		t.Errorf("%d repairs, availability %v", p.run.stats.repairs, p.run.availability)
	}
}

// TestLossesAreTheModels: where nodes live three weeks stripes are lost, and as
// many as the chain says, within a factor of 2 (nodes die with many stripes).
func TestLossesAreTheModels(t *testing.T) {
	o := small()
	o.life, o.stripes = 21, 120
	p := compare(o)
	t.Logf("%d lost, model %.1f", p.run.stats.lost, p.model.losses*p.run.stripeYears)
	if r := p.run.losses / p.model.losses; r < 0.5 || r > 2 {
		t.Errorf("%d stripes lost in %.0f stripe-years, model %.1f", p.run.stats.lost, p.run.stripeYears, p.model.losses*p.run.stripeYears)
	}
}

// The same seed is the same history; another is another.
func TestSeedsDecideEverything(t *testing.T) {
	o := rough()
	o.nodes, o.stripes, o.years, o.life, o.operators, o.dark = 60, 30, 0.3, 60, 40, 2
	print := func(o options) string {
		var out bytes.Buffer
		if err := compare(o).print(&out); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	first, again := print(o), print(o)
	if first != again {
		t.Errorf("one seed, two histories:\n%s%s", first, again)
	}
	o.seed++
	if other := print(o); other == first {
		t.Error("another seed, the same history")
	}
}

// Liars are caught, by their proofs, and shards that rot are found.
func TestLiarsAndRotAreFound(t *testing.T) {
	o := small()
	o.liars, o.delete, o.rot, o.years = 0.1, 0.1, 0.5, 0.2
	r := simulate(o)
	if r.stats.convicted == 0 || r.stats.rotted == 0 || r.stats.lost > 0 {
		t.Errorf("%d liars convicted, %d shards rotted, %d stripes lost", r.stats.convicted, r.stats.rotted, r.stats.lost)
	}
}

func TestCommand(t *testing.T) {
	dir := t.TempDir()
	var out bytes.Buffer
	args := []string{"-nodes", "40", "-stripes", "10", "-years", "0.1", "-life", "60", "-stored", "1000000000", "-out", dir}
	if err := run(args, &out); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "simulate.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all []figures
	if err := json.Unmarshal(b, &all); err != nil || len(all) != 1 || all[0].Nodes != 40 {
		t.Errorf("figures %s, %v", b, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "proved.svg")); err != nil {
		t.Error(err)
	}
	for _, bad := range [][]string{{"-nodes", "3"}, {"-years", "0"}, {"more"}, {"-no-such"}} {
		if err := run(bad, &out); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// Of two copies with immediate notice, one is lost once in (3λ+ρ)/2λ²
// (Patterson, Gibson & Katz 1988 for mirrored disks).
func TestModelOfAMirror(t *testing.T) {
	const lambda, rho = 1.0, 50.0
	m := solve(blockstore.Class{K: 1, N: 2}, lambda, 1e7, rho)
	if want := 2 * lambda * lambda / (3*lambda + rho); math.Abs(m.losses/want-1) > 1e-3 {
		t.Errorf("losses %v, want %v", m.losses, want)
	}
	sum := 0.0
	for _, p := range m.proved {
		sum += p
	}
	if math.Abs(sum-1) > 1e-9 {
		t.Errorf("probabilities add up to %v", sum)
	}
}

// TestStationaryAgainstIteration: elimination against a walk of many steps.
func TestStationaryAgainstIteration(t *testing.T) {
	rates := [][]float64{{0, 1, 0, 0.5}, {2, 0, 1, 0}, {0, 3, 0, 1}, {4, 0, 0.1, 0}}
	pi := []float64{1, 0, 0, 0}
	const step = 0.01
	for range 100_000 {
		next := append([]float64(nil), pi...)
		for i := range rates {
			for j := range rates {
				next[j] += step * pi[i] * rates[i][j]
				next[i] -= step * pi[i] * rates[i][j]
			}
		}
		pi = next
	}
	for i, got := range stationary(rates) {
		if math.Abs(got-pi[i]) > 1e-6 {
			t.Errorf("state %d: %v, want %v", i, got, pi[i])
		}
	}
}

// A death is noticed when the third round in a row was missed.
func TestNoticed(t *testing.T) {
	o := calm()
	r, p := o.rounds(), o.policy()
	proved := r.Begins(0, decide.Commit) + 1
	class := blockstore.Class{K: 1, N: 2}
	for round := range uint64(5) {
		shards := []decide.Shard{{Holder: 0, Proved: proved}, {Holder: 1, Proved: proved}}
		_, count := p.Glance(class, shards, r.Begins(round, decide.Judge))
		if want := round < 3; (count == 2) != want {
			t.Errorf("proved in round 0, judged in round %d: %d of 2 count", round, count)
		}
	}
	if got := o.noticed() / float64(o.round); got != 2.5 {
		t.Errorf("noticed after %v rounds", got)
	}
}
