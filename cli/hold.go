package cli

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"

	cli "github.com/urfave/cli/v2"

	"pifs/cli/hold"
	"pifs/cli/home"
)

const (
	linkFD = 4 // where a daemon reaches its holder

	lockItem   = "lock"   // what the holder keeps: the lock of the home,
	mountItems = "mount:" // and what a mount needs, under its volume's name
)

// holdCommand is what `pifs mount` starts: the parent of the daemon, and of
// the next one if that dies.
func holdCommand(env Env) *cli.Command {
	return &cli.Command{
		Name:   "hold",
		Usage:  "keep the mounts of a home while its daemon is replaced; started by mount",
		Hidden: true,
		Action: func(c *cli.Context) error { return holdAction(env, c) },
	}
}

func holdAction(env Env, c *cli.Context) error {
	debug.SetGCPercent(20) // it holds next to nothing, for long
	secret, err := io.ReadAll(io.LimitReader(env.Stdin, maxPassphrase))
	if err != nil {
		return fmt.Errorf("read passphrase: %w", err)
	}
	dir := globalString(c, "home")
	log := lineLog{(&home.Home{Dir: dir}).Path("log")}
	return hold.Run(hold.Options{
		Exe: env.Exe, Stdin: secret, Ready: os.NewFile(readyFD, "ready"),
		Args:  func(bool) []string { return []string{"daemon", "--ready", "--held", "--home", dir} },
		Log:   slog.New(slog.NewTextHandler(log, nil)).With("holder", os.Getpid()),
		Mount: func(item string) bool { return strings.HasPrefix(item, mountItems) },
	})
}

// lineLog appends each line to the file that has the log's name then: the
// daemon gives a full one another name. The holder has few lines to write.
type lineLog struct{ path string }

var _ io.Writer = lineLog{}

func (l lineLog) Write(p []byte) (int, error) {
	f, err := os.OpenFile(l.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return 0, fmt.Errorf("open log: %w", err)
	}
	defer f.Close()
	return f.Write(p)
}
