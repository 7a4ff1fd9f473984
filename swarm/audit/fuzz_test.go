package audit

import (
	"bytes"
	"testing"

	"pifs/swarm/decide"
	"pifs/swarm/proof"
	"pifs/swarm/wire"
)

// FuzzServe sends a node anything, as any operation: it answers or refuses, and
// believes nothing.
func FuzzServe(f *testing.F) {
	c := newCluster(f, 3, 5, 4)
	c.rounds(1, nil)
	a := c.nodes[0]
	seed := func(op wire.Op, message any) {
		b, err := encode(message)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(op), b)
	}
	s := &c.nodes[1].stated[0].Statement
	own := a.stated[0].Statement
	seed(wire.OpBeacon, &note{Statement: s})
	seed(wire.OpBeacon, &note{Reveal: &proof.Reveal{Swarm: inSwarm, Node: c.ids[1].ID, Round: 1}})
	seed(wire.OpChallenge, &proof.Challenge{Swarm: inSwarm, Node: own.Node, Round: own.Round, Root: own.Root, Leaves: 4})
	seed(wire.OpPlace, &question{})
	verdicts, err := a.book.since(0, 10)
	if err != nil || len(verdicts) == 0 {
		f.Fatal(err)
	}
	seed(wire.OpVerdicts, &gossip{Verdicts: verdicts, Since: 1})
	f.Add(uint8(wire.OpEvidence), make([]byte, 32))
	f.Fuzz(func(t *testing.T, op uint8, request []byte) {
		if len(request) > limit(wire.Op(op)) {
			return
		}
		_, _ = a.Serve(t.Context(), wire.Op(op), c.ids[1].ID, request)
		if c.convicted() != 0 || a.Status().Phase != decide.Judge {
			t.Fatal("somebody is convicted by what was made up")
		}
	})
}

// FuzzAnswer has a verifier look at anything as an answer: only the right one
// passes.
func FuzzAnswer(f *testing.F) {
	c := newCluster(f, 2, 5, 4)
	c.rounds(1, nil)
	own := c.nodes[0].stated[0].Statement
	ask := &proof.Challenge{Swarm: inSwarm, Node: own.Node, Round: own.Round, Root: own.Root, Leaves: 4}
	request, err := encode(ask)
	if err != nil {
		f.Fatal(err)
	}
	right, err := c.nodes[0].answer(f.Context(), c.ids[1].ID, request)
	if err != nil {
		f.Fatal(err)
	}
	var want proof.Answer
	if err := decode(right, &want); err != nil {
		f.Fatal(err)
	}
	f.Add(right)
	f.Fuzz(func(t *testing.T, b []byte) {
		var a proof.Answer
		if len(b) > proof.MaxAnswer(4) || decode(b, &a) != nil {
			return
		}
		if a.Verify(ask) == nil {
			bare := a
			bare.Sig, bare.Challenge = want.Sig, want.Challenge
			if again, err := encode(&bare); err != nil || !bytes.Equal(again, right) {
				t.Fatal("another answer passes")
			}
		}
		e := &proof.Evidence{Challenge: ask, Answer: &a}
		if e.Convicts(inSwarm, own.Node) == nil {
			t.Fatal("a made up answer convicts")
		}
	})
}
