package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// machine is a node of the swarm: a home of its own, and a process.
type machine struct {
	demo
	name string
	proc *exec.Cmd // nil while it does not run
	log  *os.File
}

// cluster is the nodes of a swarm on this machine's loopback.
type cluster struct {
	*demo
	nodes      []*machine
	invitation string
	healed     swarmStatus // after the nodes repaired what the dead ones had
}

// add starts a node in a jurisdiction. The first creates the swarm; the others
// join it.
func (c *cluster) add(jurisdiction string) error {
	name := fmt.Sprintf("n%d", len(c.nodes))
	m := &machine{demo: *c.demo, name: name}
	m.home = filepath.Join(c.base, name)
	port, err := freePort()
	if err != nil {
		return err
	}
	if err := m.pifs(ok, "node", "init", "--operator", "lab-"+name, "--jurisdiction", jurisdiction, "--region", "loopback",
		"--capacity", "10G", "--listen", fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", port)); err != nil {
		return err
	}
	if len(c.nodes) == 0 {
		err = m.pifs(ok, "swarm", "create", "--round", round, "demo")
	} else {
		err = m.pifs(ok, "swarm", "join", c.invitation)
	}
	if err != nil {
		return err
	}
	c.nodes = append(c.nodes, m)
	if err := m.start(); err != nil {
		return err
	}
	if len(c.nodes) > 1 {
		return nil
	}
	return c.eventually("the founder's node to invite", func() error {
		c.invitation, err = m.output(m.bin, "swarm", "invite", "--uses", "100")
		return err
	})
}

// freePort returns a port of the loopback that nobody listens at now.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

func (m *machine) start() (err error) {
	if m.log, err = os.Create(m.home + ".log"); err != nil {
		return err
	}
	m.proc = exec.Command(m.bin, "node", "run")
	m.proc.Env = append(os.Environ(), "PIFS_HOME="+m.home, "LC_ALL=C")
	m.proc.Stdout, m.proc.Stderr = m.log, m.log
	return m.proc.Start()
}

// kill ends the node's process as a loss of power would: SIGKILL.
func (m *machine) kill() error {
	if m.proc == nil {
		return nil
	}
	err := m.proc.Process.Kill()
	_ = m.proc.Wait() // it was killed, and says so
	m.proc = nil
	return errors.Join(err, m.log.Close())
}

// eventually tries until it succeeds, or the demo's time is over.
func (c *cluster) eventually(what string, try func() error) error {
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-c.ctx.Done():
			return fmt.Errorf("wait for %s: %w: %w", what, c.ctx.Err(), err)
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// knows waits until the mounted home knows so many nodes. It hears of new ones
// now and then, and at once when it asks around.
func (c *cluster) knows(nodes int) error {
	return c.eventually("all nodes to be known", func() error {
		r, err := c.swarmStatus()
		if err == nil && r.Nodes != nodes {
			err = fmt.Errorf("%d of %d nodes are known", r.Nodes, nodes)
		}
		return err
	})
}

// swarmStatus asks all nodes how they are.
func (c *cluster) swarmStatus() (r swarmStatus, err error) {
	text, err := c.output(c.bin, "swarm", "status", "--json")
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal([]byte(text), &r)
}

// proofs is what the demo looks at of the rounds of proofs.
type proofs struct {
	Passed     uint64 `json:"passed"`
	Challenges uint64 `json:"challenges"` // the dead did not pass
	Leaves     uint64 `json:"leaves"`
}

// proofs sums up what the nodes that run have seen of them.
func (c *cluster) proofs() (sum proofs, err error) {
	for _, m := range c.nodes {
		if m.proc == nil {
			continue
		}
		text, err := m.output(m.bin, "node", "status", "--json")
		if err != nil {
			return sum, err
		}
		var r struct{ Proofs proofs }
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			return sum, err
		}
		sum.Passed, sum.Challenges, sum.Leaves = sum.Passed+r.Proofs.Passed, sum.Challenges+r.Proofs.Challenges, sum.Leaves+r.Proofs.Leaves
	}
	return sum, nil
}

// stored returns the bytes of the nodes' folders of shards.
func (c *cluster) stored() (bytes int64, err error) {
	for _, m := range c.nodes {
		err := filepath.WalkDir(filepath.Join(m.home, "node", "stores"), func(_ string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || !strings.HasPrefix(e.Name(), "pack-") {
				return err
			}
			info, err := e.Info()
			if err == nil {
				bytes += info.Size()
			}
			return err
		})
		if err != nil {
			return 0, err
		}
	}
	return bytes, nil
}

// clean ends what is left of the cluster.
func (c *cluster) clean() error {
	err := c.demo.unmount()
	for _, m := range c.nodes {
		err = errors.Join(err, m.kill())
	}
	return errors.Join(err, os.RemoveAll(c.base))
}
