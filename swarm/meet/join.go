package meet

import (
	"context"
	"errors"
	"fmt"

	"pifs/blockstore"
	"pifs/swarm"
	"pifs/swarm/member"
	"pifs/swarm/wire"
)

// Outside is what a newcomer needs of the network. A *peer.Host is one.
type Outside interface {
	// AskAt sends a request to whoever is at a multiaddr that ends with an id,
	// and returns its answer and who it was. Errors are as those of Net.Ask.
	AskAt(ctx context.Context, addr, protocol string, op wire.Op, request []byte, limit int) (swarm.MemberID, []byte, error)
}

// Join asks the members at the bootstrap addresses of an invitation, one after
// the other, to take e in, and returns the record that it is in. What the
// founder says is final: errors wrap member.ErrTicket or member.ErrRefused then,
// and swarm.ErrUnreachable if it was not heard.
func Join(ctx context.Context, n Outside, i *member.Invitation, e member.Entry) (*member.Record, error) {
	var all error
	for _, addr := range i.Bootstrap {
		rec, err := member.Enter(ctx, i, e, func(ctx context.Context, req *member.Request) (*member.Response, error) {
			return askAt(ctx, n, addr, req)
		})
		if err == nil || errors.Is(err, member.ErrTicket) || errors.Is(err, member.ErrRefused) || ctx.Err() != nil {
			return rec, err
		}
		all = errors.Join(all, fmt.Errorf("%s: %w", addr, err))
	}
	return nil, all
}

func askAt(ctx context.Context, n Outside, addr string, req *member.Request) (*member.Response, error) {
	b, err := blockstore.Marshal(req)
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	if _, b, err = n.AskAt(ctx, addr, wire.JoinProtocol, opOf(req), b, member.MaxMessage); err != nil {
		return nil, unreachable(err)
	}
	return member.UnmarshalResponse(b)
}
