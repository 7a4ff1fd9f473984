package integration

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"testing"
)

// holder is a child that keeps a file open.
type holder struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
}

// startHold returns when the file is open.
func startHold(t *testing.T, path string) *holder {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "/proc/self/exe", path)
	cmd.Env = append(os.Environ(), jobVariable+"=hold")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "open\n" {
		t.Fatalf("holder: %q, %v", line, err)
	}
	return &holder{cmd, stdin}
}

func (h *holder) release(t *testing.T) {
	t.Helper()
	h.stdin.Close()
	if err := h.cmd.Wait(); err != nil {
		t.Error(err)
	}
}
