package cli

import (
	"slices"
	"strings"

	cli "github.com/urfave/cli/v2"
)

// permute moves flags in front of the arguments of the command they belong
// to, because people write "pifs umount DIR --lazy" and the flag package
// stops at the first argument. What follows "--" stays as it is.
func permute(app *cli.App, args []string) []string {
	if len(args) == 0 {
		return args
	}
	out := []string{args[0]}
	cmds, flags := app.Commands, app.Flags
	rest := args[1:]
	for len(rest) > 0 {
		if n := flagWords(flags, rest); n > 0 {
			out, rest = append(out, rest[:n]...), rest[n:]
			continue
		}
		i := slices.IndexFunc(cmds, func(c *cli.Command) bool { return c.HasName(rest[0]) })
		if i < 0 || cmds[i].SkipFlagParsing {
			break
		}
		out = append(out, rest[0])
		cmds, flags, rest = cmds[i].Subcommands, cmds[i].Flags, rest[1:]
	}
	if len(cmds) > 0 {
		return append(out, rest...)
	}
	return append(out, flagsFirst(flags, rest)...)
}

func flagsFirst(flags []cli.Flag, words []string) []string {
	var front, back []string
	for len(words) > 0 {
		if words[0] == "--" {
			back = append(back, words...)
			break
		}
		if n := flagWords(flags, words); n > 0 {
			front, words = append(front, words[:n]...), words[n:]
			continue
		}
		back, words = append(back, words[0]), words[1:]
	}
	return append(front, back...)
}

// flagWords returns how many words the flag at the front takes, 0 if none
// stands there.
func flagWords(flags []cli.Flag, words []string) int {
	w := words[0]
	if len(w) < 2 || w[0] != '-' || w == "--" {
		return 0
	}
	name, _, joined := strings.Cut(strings.TrimLeft(w, "-"), "=")
	if joined || len(words) == 1 {
		return 1
	}
	for _, f := range flags {
		doc, ok := f.(cli.DocGenerationFlag)
		if ok && slices.Contains(f.Names(), name) && doc.TakesValue() {
			return 2
		}
	}
	return 1
}
