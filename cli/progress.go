package cli

import (
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"pifs/cli/control"
)

// meter shows the progress of a call as a bar on the terminal, and nothing
// when there is no terminal.
type meter struct {
	bars *mpb.Progress
	bar  *mpb.Bar
	what string
	name string
}

func newMeter(env Env, name string) *meter {
	if !env.Tty {
		return &meter{}
	}
	return &meter{bars: mpb.New(mpb.WithOutput(env.Stderr), mpb.WithWidth(60), mpb.WithAutoRefresh()), name: name}
}

// show moves the bar to p; a change of unit starts a new one.
func (m *meter) show(p control.Progress) {
	if m.bars == nil {
		return
	}
	if m.bar == nil || m.what != p.What {
		m.end()
		m.bar, m.what = m.bars.AddBar(p.Total, mpb.PrependDecorators(decor.Name(m.name+" ")), counter(p)), p.What
	}
	m.bar.SetTotal(p.Total, false)
	m.bar.SetCurrent(p.Done)
}

// counter says in numbers what the bar shows, as far as it is known.
func counter(p control.Progress) mpb.BarOption {
	switch {
	case p.Total == 0:
		return mpb.AppendDecorators(decor.CurrentNoUnit("%d " + p.What))
	case p.What == "bytes":
		return mpb.AppendDecorators(decor.CountersKibiByte("% .1f / % .1f"))
	}
	return mpb.AppendDecorators(decor.CountersNoUnit("%d / %d " + p.What))
}

func (m *meter) end() {
	if m.bar != nil {
		m.bar.SetTotal(-1, true)
	}
}

// close leaves the last state on the terminal.
func (m *meter) close() {
	if m.bars == nil {
		return
	}
	m.end()
	m.bars.Wait()
}

// events returns what to do with the events of a call: progress to the bar,
// items to fn, which may be nil.
func (m *meter) events(fn func(control.Event) error) func(control.Event) error {
	return func(e control.Event) error {
		if e.Progress != nil {
			m.show(*e.Progress)
			return nil
		}
		if fn == nil {
			return nil
		}
		return fn(e)
	}
}
