package posix

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// RoleVariable is set for a process that plays a role; the program that uses
// this package calls Role when it is.
const RoleVariable = "PIFS_POSIX_ROLE"

// Role does what a second process of a case does.
func Role(name string, args []string) error {
	switch name {
	case "append":
		return appendRole(args[0], args[1], args[2])
	case "locker":
		return lockerRole(args[0])
	case "peek":
		return peekRole(args[0])
	}
	return fmt.Errorf("no role %s", name)
}

// appendRole appends n lines, one write each.
func appendRole(path, tag, count string) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_APPEND, 0)
	if err != nil {
		return err
	}
	for i := range n {
		if _, err := unix.Write(fd, fmt.Appendf(nil, "%s %06d %s\n", tag, i, strings.Repeat(tag, i%90))); err != nil {
			return err
		}
	}
	return unix.Close(fd)
}

// peekRole prints a file.
func peekRole(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(b)
	return err
}

// role returns a process that will play a role.
func role(name string, args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), RoleVariable+"="+name)
	return cmd
}

// play runs a role to its end and returns what it printed.
func (t *T) play(name string, args ...string) string {
	out, err := role(name, args...).Output()
	t.must("play "+name, err)
	return string(out)
}

// partner is a process that does what it is told, a line at a time.
type partner struct {
	t   *T
	cmd *exec.Cmd
	in  *os.File
	out *bufio.Scanner
}

func (t *T) partner(name string, args ...string) *partner {
	cmd := role(name, args...)
	r, w, err := os.Pipe()
	t.must("make a pipe", err)
	defer r.Close()
	cmd.Stdin = r
	out, err := cmd.StdoutPipe()
	t.must("make a pipe", err)
	t.must("start "+name, cmd.Start())
	return &partner{t: t, cmd: cmd, in: w, out: bufio.NewScanner(out)}
}

// tell sends an order, whose answer hear returns.
func (p *partner) tell(order string) {
	_, err := p.in.WriteString(order + "\n")
	p.t.must("tell "+order, err)
}

func (p *partner) hear() string {
	if !p.out.Scan() {
		p.t.note("the partner is gone")
		panic(errStop)
	}
	return p.out.Text()
}

func (p *partner) ask(order string) string {
	p.tell(order)
	return p.hear()
}

// end closes the partner's stdin and waits for its exit.
func (p *partner) end() {
	p.in.Close()
	_ = p.cmd.Wait() // one that was killed is no news
}
