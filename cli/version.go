package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	cli "github.com/urfave/cli/v2"
)

// release is the version of this source tree.
const release = "0.1.0"

// build is what `pifs version --json` prints.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"` // commit, when the build knows it
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func versionCommand(env Env) *cli.Command {
	return &cli.Command{
		Name:   "version",
		Usage:  "print the version of this program",
		Flags:  []cli.Flag{jsonFlag()},
		Action: func(c *cli.Context) error { return version(env, c) },
	}
}

func version(env Env, c *cli.Context) error {
	if err := wantArgs(c, 0, 0); err != nil {
		return err
	}
	b := build{Version: release, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				b.Revision = s.Value
			}
		}
	}
	if c.Bool("json") {
		return printJSON(env, b)
	}
	_, err := fmt.Fprintf(env.Stdout, "pifs %s (%s, %s)\n", b.Version, b.Go, b.Platform)
	return err
}
