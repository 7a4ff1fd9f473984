// Command pifs mounts a drive without an owner.
package main

import (
	"context"
	"os"

	"pifs/cli"
)

func main() {
	os.Exit(cli.Run(context.Background(), cli.ProcessEnv(), os.Args))
}
