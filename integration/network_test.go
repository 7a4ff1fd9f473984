package integration

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// carry writes file after file into a folder, durably, and reads one of those
// it wrote before after each, until its standard input ends. It says which it has written.
func carry(dir string, first int64) error {
	over := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(over)
	}()
	for n := first; ; n++ {
		select {
		case <-over:
			return nil
		default:
		}
		err := fill(carried(dir, n), n, 20_000+n*7919%200_000)
		if err == nil {
			err = syncPath(carried(dir, n))
		}
		if err != nil {
			return fmt.Errorf("write file %d: %w", n, err)
		}
		fmt.Println(n)
		old := first + rand.Int64N(n-first+1)
		if err := verify(carried(dir, old), old, 20_000+old*7919%200_000); err != nil {
			return fmt.Errorf("read file %d again: %w", old, err)
		}
		time.Sleep(20 * time.Millisecond) // bounds the load
	}
}

// verifyCarried reads files first … end−1 of carry.
func verifyCarried(dir string, first, end int64) error {
	for n := first; n < end; n++ {
		if err := verify(carried(dir, n), n, 20_000+n*7919%200_000); err != nil {
			return fmt.Errorf("read file %d: %w", n, err)
		}
	}
	return nil
}

func carried(dir string, n int64) string { return filepath.Join(dir, fmt.Sprint("carried-", n)) }

// carrier is a carry under way.
type carrier struct {
	t     *testing.T
	d     *drive
	cmd   *exec.Cmd
	stop  io.Closer
	said  *bufio.Scanner
	err   *lockedBuffer
	first int64
}

// carry starts a writer and reader on the mount.
func (d *drive) carry(first int64) *carrier {
	d.t.Helper()
	l := &carrier{t: d.t, d: d, first: first, err: new(lockedBuffer)}
	l.cmd = exec.Command("/proc/self/exe", d.dir, fmt.Sprint(first))
	l.cmd.Env = append(os.Environ(), jobVariable+"=carry")
	l.cmd.Stderr = l.err
	in, err1 := l.cmd.StdinPipe()
	out, err2 := l.cmd.StdoutPipe()
	if err1 != nil || err2 != nil {
		d.t.Fatal(err1, err2)
	}
	l.stop, l.said = in, bufio.NewScanner(out)
	if err := l.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	return l
}

// end ends it and returns the number that comes after the last file.
func (l *carrier) end() int64 {
	l.t.Helper()
	timer := time.AfterFunc(deadline, func() { _ = l.cmd.Process.Kill() })
	defer timer.Stop()
	l.stop.Close()
	last := l.first - 1
	for l.said.Scan() {
		last = number(l.said.Text())
	}
	if err := l.cmd.Wait(); err != nil {
		l.t.Fatalf("the load ended: %v: %s", err, l.err.String())
	}
	if last < l.first {
		l.t.Fatal("nothing was written")
	}
	return last + 1
}

// networked returns running nodes and a user with a mount, each in a network namespace of
// its own; the user's is the last.
func networked(t *testing.T, round string, jurisdictions ...string) (*wires, []*site, *site) {
	t.Helper()
	w := newWires(t, len(jurisdictions)+1)
	sites := newSites(t, len(w.spaces))
	for i, s := range sites {
		s.space, s.addr = w.spaces[i], fmt.Sprintf("/ip4/%s/tcp/7437", w.spaces[i].addr)
	}
	user := sites[len(jurisdictions)]
	nodes := foundedOn(t, sites[:len(jurisdictions)], round, jurisdictions...)
	user.pifs("swarm", "join", strings.TrimSpace(nodes[0].pifs("swarm", "invite")))
	user.mount()
	return w, nodes, user
}

// whole makes sure that all that was carried is on nodes, and can be read from there
// alone.
func (s *site) whole(end int64) {
	s.t.Helper()
	s.pifs("sync", s.dir)
	s.remount()
	s.pifs("cache", "drop")
	s.job(deadline, "carried", s.dir, "0", fmt.Sprint(end))
}

// TestNetworks has a writer and a reader at work on a mount while the network between it and five nodes
// is slow and loses packets, falls apart in several ways and heals, or is narrow
// for one of them, and while the nodes are restarted one after the other. Nothing is lost, and all that
// was synced comes back from the nodes.
func TestNetworks(t *testing.T) {
	w, nodes, user := networked(t, "24h", "DE", "CH", "JP", "US", "BR")
	me := len(nodes)
	away := func(i int) bool { return i == 3 || i == 4 }
	end := int64(0)
	for _, c := range []struct {
		name string
		rule func(from, to int) line
		work time.Duration
	}{
		{"50 ms and 1 % loss", func(int, int) line { return line{delay: 50 * time.Millisecond, loss: 0.01} }, 3 * time.Second},
		{"two nodes are cut off", func(i, j int) line { return line{cut: away(i) != away(j)} }, 3 * time.Second},
		{"the user is cut off", func(i, j int) line { return line{cut: i == me || j == me} }, 3 * time.Second},
		{"two nodes hear and are not heard", func(i, j int) line { return line{cut: away(i) && j == me} }, 3 * time.Second},
		{"the user is heard by two nodes and does not hear", func(i, j int) line { return line{cut: i == me && away(j)} }, 3 * time.Second},
		{"a node at 1 MB/s", func(i, j int) line {
			if i == 1 || j == 1 {
				return line{rate: 1 << 20}
			}
			return line{}
		}, 3 * time.Second},
	} {
		begun := time.Now()
		l := user.carry(end)
		w.set(c.rule)
		time.Sleep(c.work) // the load is what is tested
		after := l.end()
		w.set(func(int, int) line { return line{} })
		user.pifs("sync", user.dir)
		t.Logf("%s: %d files, %v", c.name, after-end, time.Since(begun).Round(time.Millisecond))
		end = after
	}
	l := user.carry(end)
	for _, n := range nodes {
		n.stop()
		n.run()
	}
	end = l.end()
	user.whole(end)
	nodes[3].stop()
	nodes[4].stop()
	user.whole(end)
	user.umount()
}

// TestWrongClocks has a writer and a reader at work while the clocks of two of five nodes are a day
// ahead and a day behind, and those of rounds of proofs with them. Nothing is lost, and nobody is
// convicted.
func TestWrongClocks(t *testing.T) {
	program := filepath.Join(t.TempDir(), "pifs")
	if err := build(program, "-tags", "failpoint"); err != nil {
		t.Fatal(err)
	}
	sites := newSites(t, 5)
	sites[2].program, sites[2].env = program, []string{"PIFS_CLOCK=24h"}
	sites[3].program, sites[3].env = program, []string{"PIFS_CLOCK=-24h"}
	nodes := foundedOn(t, sites, "8s", "DE", "CH", "JP", "US", "BR")
	user := newSites(t, 1)[0]
	user.pifs("swarm", "join", strings.TrimSpace(nodes[0].pifs("swarm", "invite")))
	user.mount()
	l := user.carry(0)
	before(t, 4*time.Minute, "the others prove what they hold", func() bool { return nodes[0].node().Proofs.Recent >= 3 })
	end := l.end()
	for _, n := range nodes {
		if p := n.node().Proofs; p.Convicted != 0 {
			t.Error("a wrong clock convicts")
		}
	}
	user.whole(end)
	nodes[1].stop()
	nodes[4].stop()
	user.whole(end)
	user.umount()
}

// TestOldDataReturns puts a node's folder back as it was before some of what it gave receipts for: a
// disk from the shelf, an old snapshot of a machine. Under load it is found to lack
// shards, which are rebuilt; then two other nodes may go.
func TestOldDataReturns(t *testing.T) {
	nodes := founded(t, "DE", "CH", "JP", "US", "BR")
	user := newSites(t, 1)[0]
	user.pifs("swarm", "join", strings.TrimSpace(nodes[0].pifs("swarm", "invite")))
	user.mount()
	end := user.carryFor(3*time.Second, 0)
	user.pifs("sync", user.dir)
	old := nodes[2]
	aside := filepath.Join(t.TempDir(), "old")
	old.stop()
	old.sh(`cp -a "$H" "` + aside + `"`)
	old.run()
	end = user.carryFor(4*time.Second, end)
	user.pifs("sync", user.dir)
	l := user.carry(end)
	old.stop()
	old.sh(`rm -r "$H" && mv "` + aside + `" "$H"`)
	old.run()
	time.Sleep(2 * time.Second) // of load
	end = l.end()
	user.pifs("sync", user.dir)
	if o := user.try("check", "--repair"); o.status != 9 {
		t.Errorf("check --repair found nothing to repair, or could not: status %d: %s%s", o.status, o.stdout, o.stderr)
	}
	nodes[3].stop()
	nodes[4].stop()
	user.whole(end)
	user.umount()
}

// carryFor has a writer and a reader at work for some time.
func (d *drive) carryFor(t time.Duration, first int64) (end int64) {
	d.t.Helper()
	l := d.carry(first)
	time.Sleep(t) // the load is what is tested
	return l.end()
}

// TestFullNodes has three of five nodes run out of room under load: what finds no
// quorum waits on the user's own disk and is read from there, and goes out when there is room again.
func TestFullNodes(t *testing.T) {
	sites := newSites(t, 5)
	var disks []string
	for _, s := range sites[1:4] {
		disk := filepath.Join(t.TempDir(), "disk")
		if err := os.Mkdir(disk, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=12m"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			s.stop()
			if err := unix.Unmount(disk, 0); err != nil {
				t.Errorf("unmount %s: %v", disk, err)
			}
		})
		disks = append(disks, disk)
		s.offers = []string{"--store", filepath.Join(disk, "store")}
	}
	nodes := foundedOn(t, sites, "24h", "DE", "CH", "JP", "US", "BR")
	user := newSites(t, 1)[0]
	user.pifs("swarm", "join", strings.TrimSpace(nodes[0].pifs("swarm", "invite")))
	user.mount()
	l := user.carry(0)
	file := filepath.Join(user.dir, "large")
	user.job(deadline, "fill", file, "5", "50331648")
	before(t, time.Minute, "something waits for room", func() bool { return user.status().Outbox > 0 })
	user.job(deadline, "verify", file, "5", "50331648")
	end := l.end()
	for _, disk := range disks {
		if err := unix.Mount("tmpfs", disk, "tmpfs", unix.MS_REMOUNT, "size=200m"); err != nil {
			t.Fatal(err)
		}
	}
	user.whole(end)
	nodes[0].stop()
	nodes[4].stop()
	user.whole(end)
	user.job(deadline, "verify", file, "5", "50331648")
	user.umount()
}
