package integration

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs the commands as they are typed: testdata/script has a file
// for each. A script has a home of its own in $PIFS_HOME and an empty folder
// $D to mount on; $D is unmounted at its end.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		Deadline:      time.Now().Add(5 * time.Minute),
		Setup:         setupScript,
		UpdateScripts: os.Getenv("PIFS_UPDATE_SCRIPTS") != "",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": statusCommand,
			"crash":  crashCommand,
		},
	})
}

func setupScript(env *testscript.Env) error {
	d := filepath.Join(env.WorkDir, "mnt")
	env.Setenv("PIFS_HOME", filepath.Join(env.WorkDir, "home"))
	env.Setenv("D", d)
	env.Setenv("PATH", os.Getenv("PATH"))
	env.Setenv("LC_ALL", "C")
	env.Setenv("TZ", "UTC")
	env.Defer(func() {
		table, err := os.ReadFile("/proc/self/mounts")
		if err == nil && bytes.Contains(table, []byte(" "+d+" fuse.pifs ")) {
			// What this leaves behind fails the whole run.
			_ = exec.Command("pifs", "umount", "--lazy", d).Run()
		}
		log, _ := os.ReadFile(filepath.Join(env.WorkDir, "home", "log")) // none if no daemon ever ran
		if what := outcry(log); what != "" {
			env.T().Fatal("the daemon's log has a ", what, ":\n", string(log[max(0, len(log)-8<<10):]))
		}
	})
	return os.Mkdir(d, 0o755)
}

// statusCommand runs a program that must end with an exit status:
//
//	status 3 pifs log
func statusCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status NUMBER PROGRAM …")
	}
	script := `want=$1; shift; "$@" || got=$?; [ "${got:-0}" = "$want" ] || { echo "exit status ${got:-0}, not $want" >&2; exit 1; }`
	ts.Check(ts.Exec("sh", append([]string{"-c", script, "sh"}, args...)...))
}

// crashCommand kills the daemon of $PIFS_HOME as a crash does.
func crashCommand(ts *testscript.TestScript, neg bool, args []string) {
	pid := strings.TrimSpace(ts.ReadFile(filepath.Join(ts.Getenv("PIFS_HOME"), "lock")))
	ts.Check(ts.Exec("sh", "-c", "kill -9 "+pid+"; while kill -0 "+pid+" 2>/dev/null; do :; done"))
}
