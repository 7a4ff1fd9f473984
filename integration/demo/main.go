// Command demo shows the main job of πFS on real input: Go's own source tree
// goes in with cp and rsync and comes back identical, also without two of the
// five stores. Everything it prints was checked; anything that does not hold
// ends it with an error and exit status 1. With -swarm the tree goes to ten nodes,
// four of which are killed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

const limit = 10 * time.Minute // for everything: a demo that hangs is a failure

func main() {
	pifs := flag.String("pifs", "bin/pifs", "the program to show")
	src := flag.String("src", "", "the tree to copy; Go's source if not given")
	swarm := flag.Bool("swarm", false, "show a swarm of nodes instead of one machine")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := show(ctx, *pifs, *src, *swarm); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// play is something to show.
type play interface {
	steps() []step
	tell(out io.Writer) error // what was seen
	clean() error
}

func show(ctx context.Context, pifs, src string, swarm bool) (err error) {
	d, err := newDemo(ctx, pifs, src)
	if err != nil {
		return err
	}
	var p play = d
	if swarm {
		p = &cluster{demo: d}
	}
	defer func() { err = errors.Join(err, p.clean()) }()
	start := time.Now()
	for _, s := range p.steps() {
		began := time.Now()
		fmt.Printf("%-62s", s.title)
		if err := s.run(); err != nil {
			fmt.Println(" failed")
			return err
		}
		fmt.Printf("%7.1f s\n", time.Since(began).Seconds())
	}
	fmt.Printf("%-62s%7.1f s\n\n", "all of it", time.Since(start).Seconds())
	return p.tell(os.Stdout)
}

// newDemo makes a folder for the home and the mount.
func newDemo(ctx context.Context, pifs, src string) (*demo, error) {
	bin, err := filepath.Abs(pifs)
	if err != nil {
		return nil, err
	}
	base, err := os.MkdirTemp("", "pifs-demo-")
	if err != nil {
		return nil, err
	}
	d := &demo{ctx: ctx, bin: bin, base: base, home: filepath.Join(base, "home"), dir: filepath.Join(base, "drive"), src: src}
	if d.src == "" {
		root, err := d.output("go", "env", "GOROOT")
		if err != nil {
			return nil, errors.Join(err, d.clean())
		}
		d.src = root + "/src"
	}
	return d, os.Mkdir(d.dir, 0o755)
}
