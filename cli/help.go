package cli

import (
	"fmt"
	"text/tabwriter"

	cli "github.com/urfave/cli/v2"
)

func helpCommand(env Env) *cli.Command {
	return &cli.Command{
		Name:      "help",
		Aliases:   []string{"h"},
		Usage:     "explain a command, or the exit statuses",
		ArgsUsage: "[COMMAND | exit]",
		Description: `EXAMPLES:
   pifs help mount
   pifs help exit`,
		Action: func(c *cli.Context) error { return helpAction(env, c) },
	}
}

func helpAction(env Env, c *cli.Context) error {
	if err := wantArgs(c, 0, 2); err != nil {
		return err
	}
	if !c.Args().Present() {
		return cli.ShowAppHelp(c)
	}
	if c.Args().First() == "exit" {
		return printOutcomes(env)
	}
	return newApp(env).RunContext(c.Context, append(append([]string{"pifs"}, c.Args().Slice()...), "--help"))
}

// printOutcomes prints the table of exit statuses.
func printOutcomes(env Env) error {
	w := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
	for _, o := range sortedOutcomes() {
		fmt.Fprintf(w, "%d\t%s\n", o.status, o.meaning)
	}
	return w.Flush()
}
