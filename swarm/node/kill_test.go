package node_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"pifs/blockstore"
	"pifs/blockstore/blocktest"
	"pifs/swarm"
	"pifs/swarm/node"
	"pifs/swarm/wire"
)

// childDir names the variable that makes this program a node in that folder.
const childDir = "PIFS_NODE_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		fmt.Fprintln(os.Stderr, beKilled(dir, os.Stdout))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

const victim = swarm.MemberID("user") // for whom shards are kept

func openVictim(dir string) (*node.Node, error) {
	id, err := swarm.EnsureIdentity(dir)
	if err != nil {
		return nil, err
	}
	return node.Open(node.Options{Dir: dir, Stores: []string{filepath.Join(dir, "a"), filepath.Join(dir, "b")}, Identity: id, Capacity: 1 << 30})
}

func putOne(n *node.Node, seed uint64) error {
	id, shard := blocktest.Shard(seed, 1000)
	d := blockstore.Descriptor{Address: blockstore.Address(id), Class: blockstore.Class{K: 1, N: 1}, Length: 1000, Shards: []blockstore.ShardID{id}}
	return n.Put(bg, victim, &wire.Put{Stripe: d}, shard)
}

// beKilled puts shards, gets receipts, gives some up and sweeps them away, for ever,
// and says what it promised: "held N" after a receipt, "free N" before a release.
func beKilled(dir string, say io.Writer) error {
	n, err := openVictim(dir)
	if err != nil {
		return err
	}
	for round := uint64(0); ; round++ {
		var batch []uint64
		for i := range uint64(8) {
			batch = append(batch, round%16*8+i)
		}
		for _, seed := range batch {
			if err := putOne(n, seed); err != nil {
				return err
			}
		}
		if _, err := n.Sync(bg, victim, ids(batch...)); err != nil {
			return err
		}
		for _, seed := range batch {
			fmt.Fprintln(say, "held", seed)
		}
		for _, seed := range batch[:4] {
			fmt.Fprintln(say, "free", seed)
		}
		if err := n.Release(bg, victim, ids(batch[:4]...)); err != nil {
			return err
		}
		if _, err := n.Sweep(bg); err != nil { // nothing waits: the trash is emptied at once
			return err
		}
	}
}

// TestKilled ends a node with kill -9 again and again, while it puts, gives
// receipts and deletes: whatever has a receipt and was not given up is held, and
// stays when the next one clears up.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	promised := map[uint64]bool{}
	for range 6 {
		runAndKill(t, dir, 1+rng.IntN(150), promised)
		n, err := openVictim(dir)
		must(t, err)
		for range 2 {
			for seed, held := range promised {
				if !held {
					continue
				}
				id, _ := blocktest.Shard(seed, 1000)
				if _, err := n.Get(bg, victim, id, nil); err != nil {
					t.Errorf("shard %d has a receipt: %v", seed, err)
				}
				if _, err := n.Sync(bg, victim, ids(seed)); err != nil {
					t.Errorf("shard %d had a receipt: %v", seed, err)
				}
			}
			_, err = n.Sweep(bg)
			must(t, err)
		}
		s, err := n.Scrub(bg, 0)
		if err != nil || s.Bad != 0 {
			t.Errorf("scrubbed %+v, %v", s, err)
		}
		must(t, n.Close())
	}
	if len(promised) == 0 {
		t.Error("nothing was promised: the test shows nothing")
	}
}

// runAndKill runs a node until it has said a number of lines, and kills it.
func runAndKill(t *testing.T, dir string, lines int, promised map[uint64]bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(bg, 5*time.Minute) // a node that hangs is killed, too
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0])
	child.Env = append(os.Environ(), childDir+"="+dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	must(t, err)
	must(t, child.Start())
	scan := bufio.NewScanner(out)
	for line := 0; scan.Scan(); line++ { // what it said before it died counts, too
		var what string
		var seed uint64
		if n, _ := fmt.Sscan(scan.Text(), &what, &seed); n == 2 {
			promised[seed] = what == "held"
		}
		if line == lines {
			must(t, child.Process.Kill())
		}
	}
	err = child.Wait()
	if status, ok := child.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL || ctx.Err() != nil {
		t.Fatalf("the node ended by itself, or hung: %v", err)
	}
}
