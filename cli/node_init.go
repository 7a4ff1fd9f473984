package cli

import (
	"fmt"
	"path/filepath"
	"strings"

	cli "github.com/urfave/cli/v2"

	"pifs/cli/home"
	"pifs/swarm/member"
)

func nodeInitCommand(env Env) *cli.Command {
	return &cli.Command{
		Name:  "init",
		Usage: "make this home a node that stores shards for others",
		Description: `Makes the identity of a node and settles what it offers. Operator and
jurisdiction decide which shards it gets: those of a stripe are spread over
several of both. What is said here is signed and seen by all members.

EXAMPLES:
   pifs node init --operator "Lab North" --jurisdiction DE --region eu-north --capacity 2T
   pifs node init --operator me --jurisdiction CH --region home --capacity 500G --store /disk1/pifs --listen /ip4/0.0.0.0/tcp/9000`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "operator", Usage: "`NAME` of who answers for the node"},
			&cli.StringFlag{Name: "jurisdiction", Usage: "`CODE` of the country whose law holds where it stands, as in ISO 3166-1: DE, CH, US"},
			&cli.StringFlag{Name: "region", Usage: "`NAME` of where it stands, for people"},
			&cli.StringFlag{Name: "capacity", Usage: "`SIZE` that it offers, such as 500G or 2T"},
			&cli.StringSliceFlag{Name: "listen", Usage: "multiaddr `ADDR` at which others reach it (else TCP and QUIC at port 7437 of all addresses)"},
			&cli.StringSliceFlag{Name: "store", Usage: "empty folder `DIR` for shards, one per disk (else in the home)"},
		},
		Action: func(c *cli.Context) error { return nodeInitAction(env, c) },
	}
}

func nodeInitAction(env Env, c *cli.Context) error {
	if err := wantArgs(c, 0, 0); err != nil {
		return err
	}
	config, err := nodeFlags(c)
	if err != nil {
		return err
	}
	return withFreeHome(env, c, func(h *home.Home) error {
		if err := h.CreateNode(config); err != nil {
			return err
		}
		id, err := ensureIdentity(h)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(env.Stdout, "node %s\n", id.ID)
		return err
	})
}

// nodeFlags checks what the command line says of a node.
func nodeFlags(c *cli.Context) (n home.NodeConfig, err error) {
	n = home.NodeConfig{Operator: c.String("operator"), Region: c.String("region"), Listen: c.StringSlice("listen")}
	for _, name := range []string{"operator", "region", "capacity", "jurisdiction"} {
		if strings.TrimSpace(c.String(name)) == "" {
			return n, fail(errUsage, fmt.Sprintf("--%s is missing; see: %s --help", name, commandPath(c)), nil)
		}
	}
	if n.Jurisdiction = strings.ToUpper(c.String("jurisdiction")); !member.IsCountry(n.Jurisdiction) {
		return n, fail(errUsage, fmt.Sprintf("--jurisdiction %s: it is a country's code of two letters (ISO 3166-1), such as DE, CH or US", c.String("jurisdiction")), nil)
	}
	for _, name := range []string{"operator", "region"} {
		if !member.IsName(c.String(name)) {
			return n, fail(errUsage, fmt.Sprintf("--%s: it is a name of at most %d bytes", name, member.MaxName), nil)
		}
	}
	if n.Capacity, err = parseSize(c.String("capacity")); err != nil {
		return n, err
	}
	if n.Capacity > member.MaxCapacity {
		return n, fail(errUsage, fmt.Sprintf("--capacity %s: at most 1 EiB", c.String("capacity")), nil)
	}
	if err := checkListen(n.Listen); err != nil {
		return n, err
	}
	for _, dir := range c.StringSlice("store") {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return n, fmt.Errorf("resolve %s: %w", dir, err)
		}
		n.Stores = append(n.Stores, abs)
	}
	return n, nil
}

// checkListen checks addresses to listen at. A port that the system chooses
// would be another with every start, and nobody would find the node.
func checkListen(addrs []string) error {
	if len(addrs) > member.MaxAddrs {
		return fail(errUsage, fmt.Sprintf("--listen: %d addresses, and a node has at most %d", len(addrs), member.MaxAddrs), nil)
	}
	for _, a := range addrs {
		if err := member.CheckAddrs([]string{a}); err != nil {
			return fail(errUsage, fmt.Sprintf("--listen %s: write it as /ip4/0.0.0.0/tcp/7437 or /ip4/0.0.0.0/udp/7437/quic-v1", a), err)
		}
		if strings.Contains(a+"/", "/tcp/0/") || strings.Contains(a+"/", "/udp/0/") {
			return fail(errUsage, fmt.Sprintf("--listen %s: name the port, or others lose the node with every start", a), nil)
		}
	}
	return nil
}
