package meet

import (
	"slices"

	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"pifs/swarm/member"
)

// Announced returns, of the addresses at which a host can be reached, those
// that stand in its entry: without its loopback and link-local ones unless it
// has no others, public ones first, in an order that does not depend on that
// of addrs.
func Announced(addrs []string) []string {
	var public, private, local []string
	for _, text := range addrs {
		a, err := ma.NewMultiaddr(text)
		if err != nil || member.CheckAddrs([]string{text}) != nil {
			continue
		}
		switch {
		case manet.IsIPLoopback(a):
			local = append(local, text)
		case manet.IsIP6LinkLocal(a): // means nothing on another machine
		case manet.IsPublicAddr(a):
			public = append(public, text)
		default:
			private = append(private, text)
		}
	}
	slices.Sort(public)
	slices.Sort(private)
	all := append(public, private...)
	if len(all) == 0 {
		slices.Sort(local)
		all = local
	}
	all = slices.Compact(all)
	return all[:min(len(all), member.MaxAddrs)]
}
