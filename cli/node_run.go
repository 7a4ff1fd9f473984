package cli

import (
	"errors"

	cli "github.com/urfave/cli/v2"

	"pifs/cli/home"
)

func nodeRunCommand(env Env) *cli.Command {
	return &cli.Command{
		Name:  "run",
		Usage: "serve the node of this home until a signal ends it",
		Description: `Stays in the foreground and logs to stderr, too. Volumes of the home that are
mounted while it runs are served by the same process. A home that is mounted
serves its node by itself.

--metrics serves figures for Prometheus at http://ADDR/metrics and profiles at
http://ADDR/debug/pprof/, to this machine alone.

EXAMPLES:
   pifs node run
   pifs node run --metrics 127.0.0.1:9437`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "metrics", Usage: "loopback `ADDR` for figures and profiles, such as 127.0.0.1:9437"},
		},
		Action: func(c *cli.Context) error { return nodeRunAction(env, c) },
	}
}

func nodeRunAction(env Env, c *cli.Context) error {
	if err := wantArgs(c, 0, 0); err != nil {
		return err
	}
	metricsAt := c.String("metrics")
	if metricsAt != "" {
		if err := checkMetrics(metricsAt); err != nil {
			return err
		}
	}
	h, err := locatedHome(env, c)
	if err != nil {
		return err
	}
	d, err := newDaemon(c.Context, daemonOptions{dir: h.Dir, ask: passphrase(env, c), also: env.Stderr, stay: true})
	if errors.Is(err, home.ErrLocked) {
		return fail(errBusy, "a process serves this home already: see pifs node status", err)
	}
	if err != nil {
		return err
	}
	end := func() error { return nil }
	if metricsAt != "" {
		if end, err = d.serveMetrics(metricsAt); err != nil {
			return errors.Join(err, d.close(c.Context))
		}
	}
	note(env.Stderr, "node %s serves", d.node.identity.ID)
	return errors.Join(d.run(c.Context), end())
}

// serveMetrics serves the figures of the node until end is called.
func (d *daemon) serveMetrics(addr string) (end func() error, err error) {
	m, err := listenMetrics(addr, nodeFigures{d.node})
	if err != nil {
		return nil, err
	}
	served := make(chan error, 1)
	go func() { served <- m.serve() }()
	return func() error { return errors.Join(m.close(), <-served) }, nil
}
