package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	cli "github.com/urfave/cli/v2"
)

// Run runs the command line args, the program's name first, and returns its
// exit status. Results go to env.Stdout, everything else to env.Stderr.
func Run(ctx context.Context, env Env, args []string) int {
	app := newApp(env)
	err := app.RunContext(ctx, permute(app, args))
	status, advice := statusOf(err)
	if err == nil {
		return int(status)
	}
	if advice != "" {
		advice = " (" + advice + ")"
	}
	fmt.Fprintf(env.Stderr, "pifs: %s%s\n", oneLine(err), advice)
	if hasFlag(args, "--verbose") {
		for _, line := range chain(err) {
			fmt.Fprintf(env.Stderr, "  because: %s\n", line)
		}
	}
	return int(status)
}

func newApp(env Env) *cli.App {
	app := &cli.App{
		Name:                 "pifs",
		Usage:                "a drive with no owner: chunked, encrypted, erasure-coded, verifiable",
		UsageText:            "pifs [--home H] [--verbose] COMMAND …",
		Writer:               env.Stdout,
		ErrWriter:            env.Stderr,
		EnableBashCompletion: true,
		HideVersion:          true,
		Suggest:              true,
		Flags:                globalFlags(),
		Commands:             commands(env),
		ExitErrHandler:       func(*cli.Context, error) {},
		OnUsageError:         usageError,
		CustomAppHelpTemplate: cli.AppHelpTemplate +
			"EXAMPLE:\n   pifs mount ~/drive && cp -a ~/data ~/drive && pifs umount ~/drive\n\n" +
			"Exit statuses: pifs help exit\n",
	}
	app.Action = noCommand
	prepareCommands(app.Commands)
	return app
}

// commands lists every command; each has a file of its own.
func commands(env Env) []*cli.Command {
	return []*cli.Command{
		mountCommand(env), umountCommand(env), upgradeCommand(env), syncCommand(env), statusCommand(env), checkCommand(env), auditCommand(env),
		logCommand(env), snapshotCommand(env), diffCommand(env), restoreCommand(env), cloneCommand(env),
		pruneCommand(env), infoCommand(env), cacheCommand(env), volumeCommand(env), keyCommand(env), nodeCommand(env), swarmCommand(env), completionCommand(env),
		versionCommand(env),
		helpCommand(env), daemonCommand(env), holdCommand(env),
	}
}

func globalFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "home", Usage: "folder `H` with keys, stores and cache (else $PIFS_HOME, else the XDG data folder)"},
		&cli.StringFlag{Name: "passphrase-file", Usage: "`FILE` with the passphrase of the keyring (else $PIFS_PASSPHRASE, else asked)"},
		&cli.BoolFlag{Name: "verbose", Usage: "show the whole chain of causes of an error"},
	}
}

// prepareCommands gives every command the global flags, so that they may stand
// before or after its name, and the one way to report a wrong command line.
func prepareCommands(cmds []*cli.Command) {
	for _, c := range cmds {
		c.OnUsageError = usageError
		if len(c.Subcommands) == 0 && !c.SkipFlagParsing {
			c.Flags = append(c.Flags, globalFlags()...)
		}
		if len(c.Subcommands) > 0 {
			c.Action = noCommand
		}
		prepareCommands(c.Subcommands)
	}
}

func usageError(c *cli.Context, err error, _ bool) error {
	return fail(errUsage, fmt.Sprintf("%v; see: %s --help", err, strings.TrimSpace(commandPath(c))), err)
}

// noCommand answers a command line that names no command, or an unknown one.
func noCommand(c *cli.Context) error {
	if !c.Args().Present() {
		if len(c.Lineage()) <= 2 {
			return cli.ShowAppHelp(c)
		}
		return cli.ShowSubcommandHelp(c)
	}
	return fail(errUsage, fmt.Sprintf("no command %q; see: %s --help", c.Args().First(), commandPath(c)), nil)
}

func commandPath(c *cli.Context) string {
	if c.Command == nil || c.Command.HelpName == "" {
		return "pifs"
	}
	return c.Command.HelpName
}

// wantArgs checks the number of arguments after the flags.
func wantArgs(c *cli.Context, least, most int) error {
	n := c.NArg()
	if n >= least && n <= most {
		return nil
	}
	return fail(errUsage, fmt.Sprintf("%d arguments given; usage: %s %s", n, commandPath(c), c.Command.ArgsUsage), nil)
}

// globalString returns a global flag wherever it was given.
func globalString(c *cli.Context, name string) string {
	for _, ctx := range c.Lineage() {
		if v := ctx.String(name); v != "" {
			return v
		}
	}
	return ""
}

func hasFlag(args []string, name string) bool {
	for _, a := range args {
		if a == "--" {
			return false
		}
		if a == name || a == name[1:] {
			return true
		}
	}
	return false
}

// note tells people something that is not a result.
func note(w io.Writer, format string, args ...any) {
	fmt.Fprintf(w, "pifs: "+format+"\n", args...)
}
