package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// demo is one run, in folders of its own.
type demo struct {
	ctx            context.Context
	bin            string // pifs
	base           string // holds everything; removed at the end
	home, dir, src string

	once, twice, degraded status
}

// status is what the demo looks at of pifs status --json.
type status struct {
	Class            string  `json:"class"`
	MayDie           int     `json:"mayDie"`
	Logical          int64   `json:"logical"`
	Unique           int64   `json:"unique"`
	Compressed       int64   `json:"compressed"`
	Stored           int64   `json:"stored"`
	Blocks           int64   `json:"blocks"`
	Shards           int64   `json:"shards"`
	DedupRatio       float64 `json:"dedupRatio"`
	CompressionRatio float64 `json:"compressionRatio"`
	Overhead         float64 `json:"overhead"`
	Outbox           int64   `json:"outbox"`
	Cache            struct {
		Degraded int64 `json:"degraded"`
	} `json:"cache"`
}

// command runs a program; its output is shown only if it fails.
func (d *demo) command(name string, args ...string) (string, int, error) {
	cmd := exec.CommandContext(d.ctx, name, args...)
	cmd.Env = append(os.Environ(), "PIFS_HOME="+d.home, "LC_ALL=C")
	var out, diag bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &diag
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || d.ctx.Err() != nil) {
		return "", 0, fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), errors.Join(err, d.ctx.Err()))
	}
	text := out.String()
	if err != nil {
		text += diag.String()
	}
	return strings.TrimSpace(text), cmd.ProcessState.ExitCode(), nil
}

// output runs a program that must succeed.
func (d *demo) output(name string, args ...string) (string, error) {
	text, status, err := d.command(name, args...)
	if err == nil && status != 0 {
		err = fmt.Errorf("%s %s: exit status %d: %.2000s", name, strings.Join(args, " "), status, text)
	}
	return text, err
}

// quiet runs a program that must succeed and print nothing.
func (d *demo) quiet(name string, args ...string) error {
	text, err := d.output(name, args...)
	if err == nil && text != "" {
		err = fmt.Errorf("%s %s found: %.2000s", name, strings.Join(args, " "), text)
	}
	return err
}

// pifs runs the program, which must end with the exit status want.
func (d *demo) pifs(want int, args ...string) error {
	text, status, err := d.command(d.bin, args...)
	if err == nil && status != want {
		err = fmt.Errorf("pifs %s: exit status %d, not %d: %.2000s", strings.Join(args, " "), status, want, text)
	}
	return err
}

func (d *demo) status(into *status) error {
	text, err := d.output(d.bin, "status", "--json")
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(text), into)
}

// clean takes away the mount, if it is still there, and all folders.
func (d *demo) clean() error { return errors.Join(d.unmount(), os.RemoveAll(d.base)) }

func (d *demo) unmount() error {
	d.ctx = context.WithoutCancel(d.ctx)
	table, err := os.ReadFile("/proc/self/mounts")
	if err == nil && bytes.Contains(table, []byte(" "+d.dir+" ")) {
		err = d.pifs(0, "umount", d.dir)
	}
	return err
}
