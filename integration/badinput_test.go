package integration

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// refused checks that a command ended with the status, and with one line that
// contains words.
func refused(t *testing.T, o outcome, status int, words string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(o.stderr), "\n")
	if o.status != status || len(lines) != 1 || !strings.Contains(o.stderr, words) {
		t.Errorf("status %d, want %d; stderr %q, want one line with %q", o.status, status, o.stderr, words)
	}
}

// withFile returns a drive that holds one file and is not mounted.
func withFile(t *testing.T) *drive {
	t.Helper()
	d := mounted(t)
	d.job(deadline, "fill", d.dir+"/f", "5", "3000000")
	d.umount()
	return d
}

// intact mounts the drive, and checks the file of withFile.
func (d *drive) intact() {
	d.t.Helper()
	d.mount()
	d.job(deadline, "verify", d.dir+"/f", "5", "3000000")
	if o := d.try("check"); o.status != 0 {
		d.t.Errorf("check: status %d\n%.2000s%s", o.status, o.stdout, o.stderr)
	}
}

func TestBadMountPoint(t *testing.T) {
	d := withFile(t)
	base := filepath.Dir(d.dir)
	d.sh(`touch ` + base + `/file; mkdir ` + base + `/full; touch ` + base + `/full/x`)
	refused(t, d.try("mount", base+"/file"), 12, "not a directory")
	refused(t, d.try("mount", base+"/missing"), 12, "does not exist")
	refused(t, d.try("mount", base+"/no/where"), 12, "does not exist")
	refused(t, d.try("mount", base+"/full"), 12, "not empty")
	d.intact()
	refused(t, d.try("mount", d.dir), 4, "mounted there already")
	d.sh(`mkdir ` + base + `/second`)
	refused(t, d.try("mount", base+"/second"), 4, "volume default is mounted already, at "+d.dir)
	refused(t, d.try("umount", base+"/second"), 3, "not inside a πFS mount")
}

func TestHomeOfSomebodyElse(t *testing.T) {
	d := withFile(t)
	if err := os.Chown(d.home, 12345, -1); err != nil {
		t.Fatal(err)
	}
	refused(t, d.try("mount", d.dir), 5, "it belongs to user 12345")
	refused(t, d.try("status"), 5, "it belongs to user 12345")
	if err := os.Chown(d.home, os.Getuid(), -1); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(d.home, 0o755); err != nil {
		t.Fatal(err)
	}
	refused(t, d.try("mount", d.dir), 5, "chmod 700")
	if err := os.Chmod(d.home, 0o700); err != nil {
		t.Fatal(err)
	}
	d.intact()
}

func TestSettingsThatContradict(t *testing.T) {
	d := withFile(t)
	refused(t, d.try("mount", "--class", "lean", d.dir), 6, "created with --class phi")
	refused(t, d.try("mount", "--class", "wide", d.dir), 2, "it is phi or lean")
	refused(t, d.try("mount", "--store", "/elsewhere", d.dir), 6, "created with the stores")
	refused(t, d.try("mount", "--scope", "private", d.dir), 6, "created with --scope swarm")
	refused(t, d.try("mount", "--scope", "public", d.dir), 2, "swarm or private")
	refused(t, d.try("mount", "--cache-size", "lots", d.dir), 2, "500M or 8G")
	refused(t, d.try("mount", "--deadline", "soon", d.dir), 2, "from 4s to 24h")
	refused(t, d.try("mount", "--deadline", "1ms", d.dir), 2, "from 4s to 24h")
	refused(t, d.try("mount", "--genesis", "/etc/hostname", d.dir), 6, "its scope is fixed")
	refused(t, d.try("mount", "--volume", "photos", d.dir), 3, "pifs volume create photos")
	refused(t, d.try("mount"), 2, "usage: pifs mount DIR")
	refused(t, d.try("mount", "--frob", d.dir), 2, "-frob")
	refused(t, d.try("frob"), 2, `no command "frob"`)
	d.intact()
}

func TestHomeIsMissing(t *testing.T) {
	d := newDrive(t)
	for _, command := range [][]string{{"status"}, {"check"}, {"log"}, {"sync"}, {"volume", "list"}, {"cache", "drop"}} {
		refused(t, d.try(command...), 3, "no home")
	}
	if _, err := os.Stat(d.home); err == nil {
		t.Error("a question created the home")
	}
}

// TestDamagedDatabase overwrites each of the home's databases.
func TestDamagedDatabase(t *testing.T) {
	for name, path := range map[string]string{"tree": "volumes/default/meta.db", "blocks": "cache/blocks.db"} {
		t.Run(name, func(t *testing.T) {
			d := withFile(t)
			path := filepath.Join(d.home, path)
			saved := overwrite(t, path)
			refused(t, d.try("mount", d.dir), 7, "corrupt")
			if d.isMounted() {
				t.Error("it is mounted all the same")
			}
			restoreFile(t, path, saved)
			d.intact()
		})
	}
}

// TestLostDatabase removes each of the home's databases: what they held can be
// had from the heads and their manifests.
func TestLostDatabase(t *testing.T) {
	d := withFile(t)
	d.sh(`rm "$H"/volumes/default/meta.db*`)
	d.intact()
	d.umount()
	d.sh(`rm "$H"/cache/blocks.db*`)
	refused(t, d.try("mount", d.dir), 7, "pifs check --repair")
	d.pifs("check", "--repair")
	d.intact()
}

// TestDamagedStoreIndex overwrites the index of a store: the packs tell what
// it held.
func TestDamagedStoreIndex(t *testing.T) {
	d := withFile(t)
	overwrite(t, d.home+"/stores/2/index.db")
	d.intact()
}

// TestDamagedKeyring damages the keyring, which is put right from its copy,
// and then both.
func TestDamagedKeyring(t *testing.T) {
	d := withFile(t)
	path := d.home + "/keys/keyring"
	saved := overwrite(t, path)
	d.intact()
	d.umount()
	if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, saved) {
		t.Errorf("the keyring was not put right: %v", err)
	}
	overwrite(t, path)
	overwrite(t, path+".copy")
	refused(t, d.try("mount", d.dir), 7, "parse keyring")
	restoreFile(t, path+".copy", saved)
	d.intact()
}

// TestTruncatedPack cuts a pack in the middle: the drive goes on without the
// shards that are gone, and gets them back.
func TestTruncatedPack(t *testing.T) {
	d := withFile(t)
	packs, err := filepath.Glob(d.home + "/stores/1/pack-*")
	if err != nil || len(packs) == 0 {
		t.Fatal(packs, err)
	}
	fi, err := os.Stat(packs[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(packs[0], fi.Size()/2); err != nil {
		t.Fatal(err)
	}
	d.mount()
	d.job(deadline, "verify", d.dir+"/f", "5", "3000000")
	if o := d.try("check", "--repair"); o.status != 9 {
		t.Errorf("check --repair: status %d\n%s%s", o.status, o.stdout, o.stderr)
	}
	d.umount()
	d.intact()
}

func overwrite(t *testing.T, path string) []byte {
	t.Helper()
	saved, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	bad := append([]byte(nil), saved...)
	for i := range bad[:min(len(bad), 3000)] {
		bad[i] ^= 0xa5
	}
	restoreFile(t, path, bad)
	return saved
}

func restoreFile(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestFullDisk fills a small disk: writing says ENOSPC or EIO in time and
// nothing that was acknowledged before is lost.
func TestFullDisk(t *testing.T) {
	disk := t.TempDir()
	d := newDrive(t)
	d.sh(`mount -t tmpfs -o size=40m,mode=700 tmpfs ` + disk)
	t.Cleanup(func() { d.sh(`umount ` + disk) })
	d.home = disk + "/home"
	t.Cleanup(d.end)
	d.mount()
	d.job(deadline, "fill", d.dir+"/f", "5", "3000000")
	d.pifs("sync")
	o := child(t, deadline, nil, "sh", "-c", "dd if=/dev/urandom of="+d.dir+"/too-big bs=1M count=60 conv=fsync")
	if o.status == 0 {
		t.Error("60 MB went onto a disk of 40")
	}
	if !strings.Contains(o.stderr, "No space left") {
		t.Errorf("dd says: %s", o.stderr)
	}
	d.job(deadline, "verify", d.dir+"/f", "5", "3000000")
	d.sh(`rm -f "$D/too-big"`)
	o = d.try("umount", d.dir)
	t.Logf("umount on the full disk: status %d: %s", o.status, o.stderr)
	if d.isMounted() {
		d.kill()
	}
	d.sh(`mount -o remount,size=200m ` + disk)
	d.intact()
}

func TestBusyMount(t *testing.T) {
	d := mounted(t)
	d.sh(`echo x > "$D/f"`)
	holder := startHold(t, d.dir+"/f")
	o := d.try("umount", d.dir)
	refused(t, o, 4, "is busy: ")
	if !strings.Contains(o.stderr, d.dir+"/f") {
		t.Errorf("it does not say what is used: %s", o.stderr)
	}
	d.pifs("umount", "--lazy", d.dir)
	if d.isMounted() {
		t.Error("still in the mount table after umount --lazy")
	}
	pid := d.pid()
	if !alive(pid) {
		t.Error("the daemon ended while a process used the drive")
	}
	holder.release(t)
	eventually(t, "the daemon ends after the last user", func() bool { return !alive(pid) })
	d.mount()
	if got := d.sh(`cat "$D/f"`); got != "x" {
		t.Errorf("after the lazy umount: %q", got)
	}
}
