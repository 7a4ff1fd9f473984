package integration

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// bystander is a shell script that runs beside the test.
type bystander struct {
	t   *testing.T
	cmd *exec.Cmd
	in  *os.File
}

// startBystander runs a shell script with the mount in $D, and returns when it
// has printed its first line.
func (d *drive) startBystander(text string) *bystander {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	d.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "sh", "-c", text)
	cmd.Env = append(os.Environ(), "D="+d.dir)
	r, w, err := os.Pipe()
	if err != nil {
		d.t.Fatal(err)
	}
	defer r.Close()
	cmd.Stdin = r
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		d.t.Fatalf("%s: %v", text, err)
	}
	return &bystander{d.t, cmd, w}
}

// end closes the script's stdin, sends it a signal if that is not zero, and
// waits.
func (s *bystander) end(sig syscall.Signal) {
	s.t.Helper()
	s.in.Close()
	if sig != 0 {
		if err := s.cmd.Process.Signal(sig); err != nil {
			s.t.Error(err)
		}
	}
	_ = s.cmd.Wait() // scripts end by signals, or when their mount goes away
}

// TestDeadMountIsCleared kills the daemon under processes that have a file
// open and a folder as theirs: mount and umount both clear what is left.
func TestDeadMountIsCleared(t *testing.T) {
	d := mounted(t)
	for _, command := range []string{"mount", "umount"} {
		d.sh(`mkdir -p "$D/dir"; echo kept > "$D/dir/file"; sync "$D/dir/file" "$D/dir" "$D"`)
		user := d.startBystander(`cd "$D/dir"; exec 3<file; echo there; cat`)
		pid := d.pid()
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the daemon is dead", func() bool { return !alive(pid) })
		d.pifs(command, d.dir)
		if command == "umount" {
			if d.isMounted() {
				t.Error("umount left the dead mount")
			}
			d.mount()
		}
		if got := d.sh(`cat "$D/dir/file"`); got != "kept" {
			t.Errorf("after %s the file reads %q", command, got)
		}
		user.end(0)
	}
	d.pifs("check")
}

// TestUmountUnderLoad takes a mount away from under writers: plainly it is
// refused and names them; lazily it is gone at once, they go on, and the daemon
// ends with the last of them.
func TestUmountUnderLoad(t *testing.T) {
	d := mounted(t)
	var writers []*bystander
	for _, name := range []string{"1", "2", "3"} {
		writers = append(writers, d.startBystander(`exec 3>"$D/`+name+`"; echo begun; i=0; while echo $i >&3; do i=$((i+1)); done`))
	}
	o := d.try("umount", d.dir)
	if o.status != 4 || !strings.Contains(o.stderr, "sh") || strings.Count(o.stderr, "\n") != 1 {
		t.Errorf("umount under load: status %d: %s", o.status, o.stderr)
	}
	pid := d.pid()
	d.pifs("umount", "--lazy", d.dir)
	if d.isMounted() {
		t.Error("still mounted after umount --lazy")
	}
	for _, w := range writers {
		if err := syscall.Kill(w.cmd.Process.Pid, 0); err != nil {
			t.Errorf("a writer ended with the name of its mount: %v", err)
		}
		w.end(syscall.SIGTERM)
	}
	eventually(t, "the daemon has ended", func() bool { return !alive(pid) })
	d.mount()
	// Every writer wrote line after line: what came back has no gap.
	d.sh(`for f in 1 2 3; do n=$(wc -l < "$D/$f"); test "$n" -gt 0; seq 0 $((n-1)) | cmp - "$D/$f"; done`)
	d.pifs("check")
}

// TestStoppedDaemon asks a daemon that cannot answer: commands say so after a
// while, and when it goes on, so does everything else.
func TestStoppedDaemon(t *testing.T) {
	d := mounted(t)
	d.sh(`echo before > "$D/f"`)
	pid := d.pid()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	calls := [][]string{{"status"}, {"umount", d.dir}, {"sync", d.dir}}
	outcomes := make([]outcome, len(calls))
	var wg sync.WaitGroup
	for i, args := range calls {
		wg.Go(func() { outcomes[i] = d.try(args...) })
	}
	wg.Wait()
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	for _, o := range outcomes {
		if o.status != 11 || !strings.Contains(o.stderr, "did not take the call") || strings.Count(o.stderr, "\n") != 1 {
			t.Errorf("status %d, want 11: %s", o.status, o.stderr)
		}
	}
	d.pifs("status") // the daemon finds that nobody waits for the umount any more
	if got := d.sh(`cat "$D/f"; echo after > "$D/f"; cat "$D/f"`); got != "before\nafter" {
		t.Errorf("after the stop: %q", got)
	}
}

// lockWait takes the lock ARGV[1], flock or fcntl, of the file ARGV[0], and
// waits for it. With ARGV[2] it keeps it until its stdin ends. SIGUSR1 is caught
// and does not restart system calls; EINTR is status 42.
const lockWait = `
use Fcntl qw(:DEFAULT :flock :seek); use POSIX qw(:signal_h :errno_h);
sigaction(SIGUSR1, POSIX::SigAction->new(sub {}, POSIX::SigSet->new, 0)) or die;
open(my $f, "+>>", $ARGV[0]) or die;
my $all = pack("s s x4 q q l x4", F_WRLCK, SEEK_SET, 0, 0, 0);
my $ok = $ARGV[1] eq "flock" ? flock($f, LOCK_EX) : fcntl($f, F_SETLKW, $all);
exit($! == EINTR ? 42 : 1) unless $ok;
if ($ARGV[2]) { $| = 1; print "mine\n"; <STDIN>; }
`

// TestLockWaitEnds interrupts processes that wait for locks, and kills some:
// a signal that is caught is EINTR, others end them, and what they wanted is
// not kept for them.
func TestLockWaitEnds(t *testing.T) {
	d := mounted(t)
	path := filepath.Join(d.dir, "lock")
	for kind, call := range map[string]int{"flock": syscall.SYS_FLOCK, "fcntl": syscall.SYS_FCNTL} {
		for _, sig := range []syscall.Signal{syscall.SIGUSR1, syscall.SIGINT, syscall.SIGKILL} {
			owner := d.startBystander(`exec perl -e '` + lockWait + `' "$D/lock" ` + kind + ` keep`)
			waiter := exec.Command("perl", "-e", lockWait, path, kind)
			if err := waiter.Start(); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the lock is waited for", func() bool {
				text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", waiter.Process.Pid)) // "running", while it does
				return strings.HasPrefix(string(text), fmt.Sprint(call, " "))
			})
			end := d.endBy(waiter, sig)
			if caught := sig == syscall.SIGUSR1; caught && end.ExitStatus() != 42 || !caught && end.Signal() != sig {
				t.Errorf("%s and %v: %v", kind, sig, waiter.ProcessState)
			}
			owner.end(0)
			if o := child(t, deadline, nil, "perl", "-e", lockWait, path, kind); o.status != 0 {
				t.Errorf("%s after %v: status %d: %s", kind, sig, o.status, o.stderr)
			}
		}
	}
}
