package node_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"pifs/blockstore"
	"pifs/swarm"
	"pifs/swarm/node"
	"pifs/swarm/wire"
)

// BenchmarkManyShards fills a node with PIFS_SHARDS shards (1,000 if that is not
// set), opens it again and lists what it holds: how long a put takes, a start, the
// inventory, a sweep, and what memory the process takes after each.
func BenchmarkManyShards(b *testing.B) {
	count, _ := strconv.Atoi(os.Getenv("PIFS_SHARDS"))
	count = max(count, 1000)
	for b.Loop() {
		dir := b.TempDir()
		id, err := swarm.EnsureIdentity(dir)
		must(b, err)
		open := func() *node.Node {
			n, err := node.Open(node.Options{Dir: dir, Stores: []string{filepath.Join(dir, "a")}, Identity: id, Capacity: 1 << 50})
			must(b, err)
			return n
		}
		step := func(name string, do func()) {
			began := time.Now()
			do()
			b.ReportMetric(time.Since(began).Seconds(), name+"-s")
			b.ReportMetric(resident(b), name+"-MiB")
		}
		n := open()
		step("put", func() {
			shard := make([]byte, 64)
			for i := range count {
				binary.BigEndian.PutUint64(shard, uint64(i))
				id := blockstore.ShardIDOf(shard)
				d := blockstore.Descriptor{Address: blockstore.Address(id), Class: blockstore.Class{K: 1, N: 1}, Length: uint32(len(shard)), Shards: []blockstore.ShardID{id}}
				must(b, n.Put(bg, victim, &wire.Put{Stripe: d}, shard))
			}
			must(b, n.Close())
		})
		step("open", func() { n = open() })
		step("inventory", func() {
			held := 0
			must(b, n.Inventory(bg, func(blockstore.ShardID, int) error { held++; return nil }))
			if held != count {
				b.Fatalf("%d shards of %d", held, count)
			}
		})
		step("sweep", func() {
			_, err := n.Sweep(bg)
			must(b, err)
		})
		must(b, n.Close())
	}
}

// resident returns the memory of this process in MiB.
func resident(b *testing.B) float64 {
	b.Helper()
	status, err := os.ReadFile("/proc/self/status")
	must(b, err)
	for line := range strings.Lines(string(status)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "VmRSS:" {
			kib, err := strconv.ParseFloat(f[1], 64)
			must(b, err)
			return kib / 1024
		}
	}
	b.Fatal("no resident memory in /proc/self/status")
	return 0
}
