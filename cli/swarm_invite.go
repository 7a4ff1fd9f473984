package cli

import (
	"fmt"
	"time"

	cli "github.com/urfave/cli/v2"

	"pifs/cli/home"
	"pifs/swarm"
	"pifs/swarm/member"
)

func swarmInviteCommand(env Env) *cli.Command {
	return &cli.Command{
		Name:  "invite",
		Usage: "print an invitation, by which others join",
		Description: `Only the home that created the swarm can invite. Whoever has the invitation can
join until it expires or is used up, and can confirm that a file they have is
stored in the swarm's scope: send it as you would send a password.

EXAMPLES:
   pifs swarm invite
   pifs swarm invite --uses 10 --expires 7d`,
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "uses", Value: 1, Usage: "`N` homes may join by it"},
			&cli.StringFlag{Name: "expires", Value: "1d", Usage: "after `TIME`, such as 2h, 7d or 4w"},
		},
		Action: func(c *cli.Context) error { return swarmInviteAction(env, c) },
	}
}

func swarmInviteAction(env Env, c *cli.Context) error {
	if err := wantArgs(c, 0, 0); err != nil {
		return err
	}
	uses := c.Int("uses")
	if uses < 1 || uses > member.MaxUses {
		return fail(errUsage, fmt.Sprintf("--uses %d: it is a number from 1 to %d", uses, member.MaxUses), nil)
	}
	valid, err := parseAge("expires", c.String("expires"))
	if err != nil {
		return err
	}
	h, err := locatedHome(env, c)
	if err != nil {
		return err
	}
	book, err := readBook(h)
	if err != nil {
		return err
	}
	founder, err := founderOf(book)
	if err != nil {
		return err
	}
	keys, err := h.Keys(passphrase(env, c))
	if err != nil {
		return err
	}
	return printInvitation(env, book, founder, keys, uint32(uses), time.Now().Add(valid))
}

func printInvitation(env Env, b *member.Book, f *member.Founder, k *home.Keyring, uses uint32, until time.Time) error {
	id := b.Current().Header.Founder
	i, err := member.Invite(f.Genesis, f.Key, k.Scope(), bootstrap(b.Current(), id), uses, until.Unix())
	if err != nil {
		return err
	}
	text, err := i.Format()
	if err != nil {
		return err
	}
	note(env.Stderr, "for %d, until %s", uses, until.Format(time.DateTime))
	_, err = fmt.Fprintln(env.Stdout, text)
	return err
}

// bootstrap returns addresses at which a newcomer can ask: those of the
// founder's node first, then one of each of some others.
func bootstrap(rec *member.Record, first swarm.MemberID) (addrs []string) {
	add := func(e *member.Entry, most int) {
		for _, a := range e.Addrs[:min(most, len(e.Addrs))] {
			if text := a + "/p2p/" + string(e.ID); len(text) <= member.MaxAddr && len(addrs) < member.MaxAddrs {
				addrs = append(addrs, text)
			}
		}
	}
	if e, ok := rec.Find(first); ok {
		add(e, member.MaxAddrs/2)
	}
	for i := range rec.Entries {
		if e := &rec.Entries[i]; e.ID != first {
			add(e, 1)
		}
	}
	return addrs
}
