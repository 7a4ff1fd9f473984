package cli

import (
	_ "embed"
	"fmt"

	cli "github.com/urfave/cli/v2"
)

var (
	//go:embed completion.bash
	bashCompletion string
	//go:embed completion.zsh
	zshCompletion string
)

func completionCommand(env Env) *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "print a script that completes commands and flags in a shell",
		ArgsUsage: "bash|zsh|fish",
		Description: `EXAMPLES:
   source <(pifs completion bash)
   pifs completion zsh > "${fpath[1]}/_pifs"
   pifs completion fish > ~/.config/fish/completions/pifs.fish`,
		Action: func(c *cli.Context) error { return completionAction(env, c) },
	}
}

func completionAction(env Env, c *cli.Context) error {
	if err := wantArgs(c, 1, 1); err != nil {
		return err
	}
	script := ""
	switch shell := c.Args().First(); shell {
	case "bash":
		script = bashCompletion
	case "zsh":
		script = zshCompletion
	case "fish":
		var err error
		if script, err = c.App.ToFishCompletion(); err != nil {
			return fmt.Errorf("make completion: %w", err)
		}
	default:
		return fail(errUsage, fmt.Sprintf("no completion for shell %q: it is bash, zsh or fish", shell), nil)
	}
	_, err := fmt.Fprint(env.Stdout, script)
	return err
}
