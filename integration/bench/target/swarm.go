package target

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Swarm is the name of a volume that lies on ten nodes, each a process with a
// folder of its own on the same disk, and reached over the loopback.
const Swarm = "swarm"

// countries are those of the nodes: no three shards more than may go are in
// one, so the four of the last can be lost.
var countries = [...]string{"CH", "CH", "CH", "FR", "FR", "FR", "DE", "DE", "DE", "DE"}

// lostNodes is the first of the nodes that LoseNodes ends.
const lostNodes = 6

// SwarmVolume is a volume of a home that has joined a swarm of ten nodes.
type SwarmVolume struct {
	*Volume
	nodes []*node
}

var _ Target = (*SwarmVolume)(nil)

type node struct {
	home string
	proc *exec.Cmd // nil while it does not run
}

// OpenSwarm makes ten nodes and a home that uses them below base, and mounts
// its volume.
func OpenSwarm(ctx context.Context, base, bin string) (*SwarmVolume, error) {
	s := &SwarmVolume{Volume: &Volume{name: Swarm, bin: bin, home: filepath.Join(base, Swarm+".home"), path: filepath.Join(base, Swarm)}}
	err := os.Mkdir(s.path, 0o700)
	invitation := ""
	for i := 0; i < len(countries) && err == nil; i++ {
		n := &node{home: filepath.Join(base, fmt.Sprintf("node-%d", i))}
		invitation, err = s.add(ctx, n, countries[i], invitation)
	}
	if err == nil {
		_, err = s.run(ctx, "swarm", "join", invitation)
	}
	if err == nil {
		err = s.Mount(ctx)
	}
	if err == nil {
		err = s.knowsAll(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("form a swarm: %w", err), s.Close(ctx))
	}
	return s, nil
}

// add makes a node and starts it. The first creates the swarm, and invites
// the others.
func (s *SwarmVolume) add(ctx context.Context, n *node, country, invitation string) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		return "", err
	}
	_, err = run(ctx, s.bin, "node", "init", "--home", n.home, "--operator", filepath.Base(n.home), "--jurisdiction", country, "--region", "loopback",
		"--capacity", "100G", "--listen", fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", port))
	if err != nil {
		return "", err
	}
	if invitation == "" {
		_, err = run(ctx, s.bin, "swarm", "create", "--home", n.home, "bench")
	} else {
		_, err = run(ctx, s.bin, "swarm", "join", "--home", n.home, invitation)
	}
	s.nodes = append(s.nodes, n)
	if err == nil {
		err = n.start(s.bin)
	}
	if err != nil || invitation != "" {
		return invitation, err
	}
	err = patiently(ctx, func() error {
		out, err := run(ctx, s.bin, "swarm", "invite", "--home", n.home, "--uses", "100")
		invitation = strings.TrimSpace(string(out))
		return err
	})
	return invitation, err
}

func (n *node) start(bin string) error {
	n.proc = exec.Command(bin, "node", "run", "--home", n.home)
	n.proc.SysProcAttr = alone()
	return n.proc.Start()
}

// stop ends the node's process, by a signal that it obeys or SIGKILL.
func (n *node) stop(sig syscall.Signal) error {
	if n.proc == nil {
		return nil
	}
	err := n.proc.Process.Signal(sig)
	timer := time.AfterFunc(time.Minute, func() { _ = n.proc.Process.Kill() })
	defer timer.Stop()
	_ = n.proc.Wait() // of one that was killed it is an error
	n.proc = nil
	return err
}

// knowsAll waits until the mounted home knows all nodes.
func (s *SwarmVolume) knowsAll(ctx context.Context) error {
	return patiently(ctx, func() error {
		out, err := s.run(ctx, "swarm", "nodes")
		if n := strings.Count(string(out), "node-"); err == nil && n < len(countries) {
			err = fmt.Errorf("%d of %d nodes are known", n, len(countries))
		}
		return err
	})
}

// patiently tries for a minute.
func patiently(ctx context.Context, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// LoseNodes kills four of the ten nodes, and mounts the volume anew with empty
// caches.
func (s *SwarmVolume) LoseNodes(ctx context.Context) error {
	for _, n := range s.nodes[lostNodes:] {
		if err := n.stop(syscall.SIGKILL); err != nil {
			return err
		}
	}
	return errors.Join(s.Remount(ctx), s.Forget(ctx, true))
}

// ReturnNodes starts them again.
func (s *SwarmVolume) ReturnNodes(context.Context) error {
	var errs []error
	for _, n := range s.nodes[lostNodes:] {
		if n.proc == nil {
			errs = append(errs, n.start(s.bin))
		}
	}
	return errors.Join(errs...)
}

// Close unmounts the volume and ends the nodes.
func (s *SwarmVolume) Close(ctx context.Context) error {
	errs := []error{s.Volume.Close(ctx)}
	for _, n := range s.nodes {
		errs = append(errs, n.stop(syscall.SIGTERM))
	}
	return errors.Join(errs...)
}
