package cli

import (
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

// maxStacks bounds what is written of the stacks of all goroutines, in bytes.
const maxStacks = 1 << 20

// explain has SIGQUIT write to the log what the daemon is doing: the requests
// that are not answered yet, and the stacks of all goroutines. The daemon goes
// on. What it returns ends that.
func (d *daemon) explain() func() {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGQUIT)
	go func() {
		for range asked {
			d.explainMounts()
			stacks := make([]byte, maxStacks)
			_, _ = d.file.Write(append(stacks[:runtime.Stack(stacks, true)], '\n')) // nobody else could be told
		}
	}()
	return func() {
		signal.Stop(asked)
		close(asked)
	}
}

func (d *daemon) explainMounts() {
	e := d.opened()
	if e == nil {
		return
	}
	for _, m := range e.mountPoints() {
		if m.server != nil {
			m.server.LogPending()
		}
	}
}
