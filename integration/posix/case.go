package posix

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Case is what one process does in an empty directory, which is its working
// directory.
type Case struct {
	Name string
	Do   func(*T)
}

// Cases returns all cases, in the order in which they run.
func Cases() []Case {
	return slices.Concat(
		openCases(), unlinkedCases(), renameCases(), nameCases(), linkCases(), privCases(), permCases(),
		timeCases(), spaceCases(), limitCases(), specialCases(), xattrCases(), lockCases(), mmapCases(), listCases(),
	)
}

// Run runs those of cases whose names begin with prefix, each in a directory of its
// own below dir, and returns their traces by name. It changes the working
// directory, the umask and the credentials of threads: it needs a process of
// its own.
func Run(dir string, cases []Case, prefix string) (map[string][]string, error) {
	unix.Umask(0o022)
	traces := make(map[string][]string)
	for _, c := range cases {
		if !strings.HasPrefix(c.Name, prefix) {
			continue
		}
		home := filepath.Join(dir, strings.ReplaceAll(c.Name, "/", "-"))
		if err := os.Mkdir(home, 0o755); err != nil {
			return nil, err
		}
		if err := os.Chdir(home); err != nil {
			return nil, err
		}
		t := new(T)
		t.run(c)
		traces[c.Name] = t.trace
		if err := os.Chdir(dir); err != nil {
			return nil, err
		}
	}
	return traces, nil
}

// T is a case while it runs.
type T struct {
	trace []string
}

// errStop ends a case that can not go on; the trace says why.
var errStop = errors.New("stop")

func (t *T) run(c Case) {
	defer func() {
		if p := recover(); p != nil && p != errStop {
			t.note("panic", p)
		}
	}()
	c.Do(t)
}

// note adds a line to the trace.
func (t *T) note(what string, values ...any) {
	var line strings.Builder
	line.WriteString(what)
	for i, v := range values {
		if i == 0 {
			line.WriteByte(':')
		}
		fmt.Fprintf(&line, " %v", v)
	}
	t.trace = append(t.trace, line.String())
}

// do records what came of a call.
func (t *T) do(what string, err error) bool {
	t.note(what, errName(err))
	return err == nil
}

// must is for what has to work for the case to make sense.
func (t *T) must(what string, err error) {
	if err != nil {
		t.note("can not "+what, errName(err))
		panic(errStop)
	}
}

func errName(err error) string {
	var errno unix.Errno
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &errno):
		if name := unix.ErrnoName(errno); name != "" {
			return name
		}
	}
	return err.Error()
}
