package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func namesOf(work []workload) string {
	var names []string
	for _, w := range work {
		names = append(names, w.Name)
	}
	return strings.Join(names, " ")
}

func TestChoose(t *testing.T) {
	for _, c := range []struct{ run, want string }{
		{"read-new-cold", "write-new read-new-cold"},
		{"rm-rf|write-dup", "write-new write-dup untar rm-rf"},
		{"^commit-1$", "commit-1"},
		{"repair", "check repair"},
	} {
		o, err := parse([]string{"-run", c.run})
		if err != nil {
			t.Fatal(err)
		}
		chosen, err := choose(workloads(o.sizes), o.only)
		if err != nil || namesOf(chosen) != c.want {
			t.Errorf("%q: %s, %v, want %s", c.run, namesOf(chosen), err, c.want)
		}
	}
	o, err := parse([]string{"-run", "nonsense"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := choose(workloads(o.sizes), o.only); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("a workload that does not exist: %v", err)
	}
}

func TestParse(t *testing.T) {
	o, err := parse([]string{"-quick", "-size", "7", "-targets", "pifs,disk"})
	if err != nil {
		t.Fatal(err)
	}
	if o.times != 3 || o.sizes.stream != 7<<20 || !slices.Equal(o.targets, []string{"pifs", "disk"}) {
		t.Errorf("%+v", o)
	}
	if o, err = parse(nil); err != nil || o.times != 5 || len(o.targets) != 4 || o.sizes.stream != 1<<30 {
		t.Errorf("without flags: %+v, %v", o, err)
	}
	for _, args := range [][]string{{"-targets", "ntfs"}, {"-run", "("}, {"quick"}} {
		if _, err := parse(args); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
}

// TestGoals: every goal is about a workload that there is.
func TestGoals(t *testing.T) {
	s := whole()
	work := workloads(s)
	var out bytes.Buffer
	if err := list(&out, s); err != nil || strings.Count(out.String(), "\n") != len(work) {
		t.Errorf("list: %v\n%s", err, &out)
	}
	if got, want := len(chosenGoals(s, work)), len(goals(s)); got != want {
		t.Errorf("%d of %d goals are about workloads", got, want)
	}
	seen := make(map[string]bool)
	for _, w := range work {
		if seen[w.Name] {
			t.Errorf("%s stands there twice", w.Name)
		}
		for _, name := range w.needs {
			if !seen[name] {
				t.Errorf("%s needs %s, which does not come before it", w.Name, name)
			}
		}
		seen[w.Name] = true
	}
}
