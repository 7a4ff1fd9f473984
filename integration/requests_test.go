package integration

import (
	"maps"
	"testing"
)

// cost is what something done n times may ask of the daemon: requests of the
// kernel and saves of the database, each time. The numbers do not depend on how
// fast the machine is, but for saves that are made by the clock. Shells close
// what they redirect more than once, and each close is a request.
type cost struct {
	name     string
	n        float64
	remount  bool   // the kernel knows nothing
	script   string // with the mount in $D
	requests float64
	saves    float64 // 0: not looked at
}

func costs() []cost {
	const files = 200
	return []cost{
		{name: "create, write 4 KiB, close", n: files, requests: 9.2,
			script: `mkdir "$D/a"; cd "$D/a"; i=0; while [ $i -lt 200 ]; do head -c 4096 /dev/zero > f$i; i=$((i+1)); done`},
		{name: "stat what the kernel knows", n: files, requests: 0.2, script: `stat -c %s "$D"/a/* >/dev/null`},
		{name: "ls -l", n: files, requests: 0.2, remount: true, script: `ls -l "$D/a" >/dev/null`},
		{name: "ls -l again", n: files, requests: 0.1, script: `ls -l "$D/a" >/dev/null`},
		{name: "read 4 KiB", n: files, requests: 5.2, script: `cat "$D"/a/* >/dev/null`},
		{name: "read again", n: files, requests: 4.2, script: `cat "$D"/a/* >/dev/null`},
		{name: "remove", n: files, requests: 2.2, remount: true, script: `rm -r "$D/a"`},
		{name: "append 100 bytes", n: 1000, requests: 2.2,
			script: `exec 3>>"$D/log"; i=0; while [ $i -lt 1000 ]; do printf %0100d 7 >&3; i=$((i+1)); done`},
		{name: "write 128 KiB in order", n: 64, requests: 1.2, script: `dd if=/dev/urandom of="$D/big" bs=128k count=64 iflag=fullblock 2>/dev/null`},
		{name: "read 128 KiB in order", n: 64, requests: 1.3, remount: true, script: `cat "$D/big" >/dev/null`},
		{name: "write and fsync", n: 50, requests: 9.3, saves: 1.1,
			script: `mkdir "$D/s"; i=0; while [ $i -lt 50 ]; do dd if=/dev/zero of="$D/s/f$i" bs=4096 count=1 conv=fsync 2>/dev/null; i=$((i+1)); done`},
		{name: "unpack", n: 400, requests: 14,
			script: `mkdir "$D/t"; tar -C "$(go env GOROOT)/src/net" -cf - . | tar -C "$D/t" -xf -`},
	}
}

// TestRequestsPerOperation holds what is done often to a number of requests:
// each costs two switches of context, however fast the daemon is.
func TestRequestsPerOperation(t *testing.T) {
	d := mounted(t)
	for _, c := range costs() {
		if c.remount {
			d.remount()
		}
		before, savesBefore := d.asked()
		d.sh("set -e; " + c.script)
		after, savesAfter := d.asked()
		kinds, total := map[string]uint64{}, uint64(0)
		for kind, n := range after {
			// Forgets and interrupts are not waited for.
			if n -= before[kind]; n > 0 && kind != "forget" && kind != "interrupt" {
				kinds[kind] = n
				total += n
			}
		}
		t.Logf("%-28s %6.2f requests, %5.2f saves: %v", c.name, float64(total)/c.n, float64(savesAfter-savesBefore)/c.n, kinds)
		if got := float64(total) / c.n; got > c.requests {
			t.Errorf("%s: %.2f requests each, want %.2f: %v", c.name, got, c.requests, maps.Clone(kinds))
		}
		if got := float64(savesAfter-savesBefore) / c.n; c.saves > 0 && got > 2*c.saves {
			t.Errorf("%s: %.2f saves each, want %.2f", c.name, got, c.saves)
		}
	}
}

// asked returns what the kernel asked of the mount so far, and the saves.
func (d *drive) asked() (map[string]uint64, uint64) {
	a := d.status().Volumes[0].Activity
	return a.Requests, a.Transactions
}
