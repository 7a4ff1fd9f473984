package peer

import (
	"context"
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"pifs/swarm"
	"pifs/swarm/wire"
)

// Ask sends a request of one of the protocols of blobs to a member, and returns
// the answer, of at most limit bytes. It may be made twice.
func (h *Host) Ask(ctx context.Context, to swarm.MemberID, protocol string, op wire.Op, request []byte, limit int) ([]byte, error) {
	l, err := h.link(to)
	if err != nil {
		return nil, err
	}
	var answer []byte
	err = l.run(ctx, blobs(protocol, op, request, limit, &answer))
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", to, err)
	}
	return answer, nil
}

func blobs(protocol string, op wire.Op, request []byte, limit int, answer *[]byte) exchange {
	return exchange{protocol: protocol, size: len(request) + limit, do: func(c *wire.Conn) (err error) {
		if err := c.WriteBlob(op, request); err != nil {
			return err
		}
		*answer, err = c.ReadBlob(limit)
		return err
	}}
}

// AskAt is Ask of somebody who need not be a member, at a multiaddr that ends
// in an id: it is how one joins. It returns who answered.
func (h *Host) AskAt(ctx context.Context, addr, proto string, op wire.Op, request []byte, limit int) (swarm.MemberID, []byte, error) {
	at, err := peer.AddrInfoFromString(addr)
	if err != nil {
		return "", nil, fmt.Errorf("ask at %s: %w", addr, err)
	}
	defer h.gate.dial(at.ID)()
	patient, cancel := context.WithTimeout(ctx, dialPatience)
	defer cancel()
	if err := h.h.Connect(patient, *at); err != nil {
		return "", nil, fmt.Errorf("ask at %s: %w: %w", addr, swarm.ErrUnreachable, err)
	}
	raw, err := h.h.NewStream(patient, at.ID, protocol.ID(proto))
	if err != nil {
		return "", nil, fmt.Errorf("ask at %s: %w: %w", addr, swarm.ErrUnreachable, err)
	}
	l := newLink(h, at.ID)
	defer l.close()
	var answer []byte
	err = l.use(ctx, &stream{Conn: wire.NewConn(raw), s: raw}, blobs(proto, op, request, limit, &answer))
	if err != nil {
		return "", nil, fmt.Errorf("ask at %s: %w", addr, err)
	}
	return swarm.MemberID(at.ID.String()), answer, nil
}
