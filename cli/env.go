package cli

import (
	"io"
	"os"

	"golang.org/x/term"
)

// Env is what a command may touch of the process around it, so that tests can
// run commands in-process.
type Env struct {
	Stdin  *os.File
	Stdout io.Writer
	Stderr io.Writer
	Getenv func(string) string
	Exe    string // path that starts this program again, for the daemon
	Tty    bool   // stderr is a terminal: bars and questions are welcome
}

// ProcessEnv returns the environment of this process.
func ProcessEnv() Env {
	exe, err := os.Executable()
	if err != nil {
		exe = "/proc/self/exe" // works too, but ps shows a daemon called exe
	}
	return Env{
		Stdin:  os.Stdin,
		Stdout: os.Stdout,
		Stderr: os.Stderr,
		Getenv: os.Getenv,
		Exe:    exe,
		Tty:    term.IsTerminal(int(os.Stderr.Fd())),
	}
}
