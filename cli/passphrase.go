package cli

import (
	"bytes"
	"fmt"
	"os"

	cli "github.com/urfave/cli/v2"
	"golang.org/x/term"

	"pifs/cli/home"
)

const maxPassphrase = 64 << 10 // bytes of a passphrase file

// passphrase returns what opens a protected keyring: the file's that was
// named, else $PIFS_PASSPHRASE, else what the terminal answers.
func passphrase(env Env, c *cli.Context) home.AskFunc {
	return func() ([]byte, error) {
		p, err := givenPassphrase(env, c)
		if p != nil || err != nil {
			return p, err
		}
		return ask(env, "Passphrase of the keyring: ")
	}
}

// newPassphrase is like passphrase, but a terminal is asked twice.
func newPassphrase(env Env, c *cli.Context) ([]byte, error) {
	p, err := givenPassphrase(env, c)
	if p != nil || err != nil {
		return p, err
	}
	first, err := ask(env, "New passphrase: ")
	if err != nil {
		return nil, err
	}
	again, err := ask(env, "The same again: ")
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(first, again) {
		return nil, fail(home.ErrPassphrase, "the two passphrases differ; nothing was changed", nil)
	}
	return first, nil
}

func givenPassphrase(env Env, c *cli.Context) ([]byte, error) {
	file := globalString(c, "passphrase-file")
	if file == "" {
		if p := env.Getenv("PIFS_PASSPHRASE"); p != "" {
			return []byte(p), nil
		}
		return nil, nil
	}
	fi, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("read passphrase: %w", err)
	}
	if fi.Size() > maxPassphrase {
		return nil, fail(errUsage, fmt.Sprintf("passphrase file %s has %d bytes; at most %d are read", file, fi.Size(), maxPassphrase), nil)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read passphrase: %w", err)
	}
	return bytes.TrimRight(raw, "\r\n"), nil
}

func ask(env Env, question string) ([]byte, error) {
	if env.Stdin == nil || !term.IsTerminal(int(env.Stdin.Fd())) {
		return nil, fail(home.ErrPassphrase, "the keyring is under a passphrase: set PIFS_PASSPHRASE or give --passphrase-file", nil)
	}
	fmt.Fprint(env.Stderr, question)
	p, err := term.ReadPassword(int(env.Stdin.Fd()))
	fmt.Fprintln(env.Stderr)
	if err != nil {
		return nil, fmt.Errorf("read passphrase: %w", err)
	}
	return p, nil
}
