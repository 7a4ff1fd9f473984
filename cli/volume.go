package cli

import (
	cli "github.com/urfave/cli/v2"
)

func volumeCommand(env Env) *cli.Command {
	return &cli.Command{
		Name:        "volume",
		Usage:       "create, list and remove volumes",
		Subcommands: []*cli.Command{volumeCreateCommand(env), volumeListCommand(env), volumeRemoveCommand(env)},
	}
}
