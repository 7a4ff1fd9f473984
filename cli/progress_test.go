package cli

import (
	"bytes"
	"strings"
	"testing"

	"pifs/cli/control"
)

func TestMeterShowsOnTerminalsOnly(t *testing.T) {
	show := func(tty bool) string {
		var out bytes.Buffer
		m := newMeter(Env{Stderr: &out, Tty: tty}, "committing")
		on := m.events(nil)
		for _, p := range []control.Progress{{Done: 1, Total: 4, What: "files"}, {Done: 4, Total: 4, What: "files"}, {Done: 7, What: "blocks"}} {
			if err := on(control.Event{Progress: &p}); err != nil {
				t.Fatal(err)
			}
		}
		m.close()
		return out.String()
	}
	if got := show(false); got != "" {
		t.Errorf("without a terminal: %q", got)
	}
	got := show(true)
	for _, want := range []string{"committing", "4 / 4 files", "7 blocks"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
}

func TestItemsPassTheMeter(t *testing.T) {
	var got []string
	m := newMeter(Env{}, "")
	on := m.events(func(e control.Event) error {
		got = append(got, string(e.Item))
		return nil
	})
	for _, e := range []control.Event{{Item: []byte("1")}, {Progress: &control.Progress{}}, {Item: []byte("2")}} {
		if err := on(e); err != nil {
			t.Fatal(err)
		}
	}
	m.close()
	if strings.Join(got, "") != "12" {
		t.Errorf("items %q", got)
	}
}
