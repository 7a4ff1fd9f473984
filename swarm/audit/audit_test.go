package audit

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"pifs/blockstore"
	"pifs/swarm"
	"pifs/swarm/decide"
	"pifs/swarm/proof"
	"pifs/swarm/wire"
)

// maxAge is when repair stops to believe a node.
func maxAge() int64 { return decide.PolicyFor(roundLength).MaxAge }

// Who holds what it says passes each round, and everybody hears of it.
func TestRoundsPass(t *testing.T) {
	c := newCluster(t, 7, 20, 16)
	c.rounds(3, nil)
	for i, a := range c.nodes {
		if n := c.proved(i, roundLength); n != 7 {
			t.Errorf("node %d knows %d proofs", i, n)
		}
		if s := a.Status(); s.Rounds != 3 || s.Passed != s.Challenges || s.Challenges == 0 || !s.Stated {
			t.Errorf("node %d: %+v", i, s)
		}
	}
	if c.convicted() != 0 {
		t.Error("somebody was convicted")
	}
}

// Who deleted something, and who is away, is not believed any more after three rounds, and
// not convicted; who comes back is.
func TestSilentNodesFade(t *testing.T) {
	c := newCluster(t, 7, 20, 64)
	c.rounds(1, nil)
	for id := range c.holds[2].sizes {
		c.holds[2].gone[id] = true
		if len(c.holds[2].gone) == 10 {
			break
		}
	}
	c.cut[5] = true
	c.rounds(2, nil)
	if n := c.proved(0, maxAge()); n != 7 {
		t.Errorf("%d nodes are believed after two rounds", n)
	}
	c.rounds(1, nil)
	if n := c.proved(0, maxAge()); n != 5 {
		t.Errorf("%d nodes are believed after three rounds", n)
	}
	if c.convicted() != 0 {
		t.Error("silence convicted somebody")
	}
	clear(c.holds[2].gone)
	delete(c.cut, 5)
	c.rounds(1, nil)
	for i := range c.nodes {
		if n := c.proved(i, roundLength); n != 7 {
			t.Errorf("node %d believes %d nodes when all are back", i, n)
		}
	}
}

// Rounds without a beacon age nobody.
func TestNoBeaconNoPenalty(t *testing.T) {
	c := newCluster(t, 5, 5, 4)
	c.rounds(1, nil)
	for i := 1; i < 5; i++ {
		c.cut[i] = true
	}
	c.rounds(3, nil)
	if n := c.proved(0, maxAge()); n != 5 {
		t.Errorf("%d nodes are believed after three rounds without a beacon", n)
	}
	c.rounds(10, nil)
	if _, _, ok := c.nodes[0].Proved(c.ids[1].ID); ok {
		t.Error("without beacons somebody is judged")
	}
	clear(c.cut)
	c.rounds(1, nil)
	if n := c.proved(0, roundLength); n != 5 {
		t.Errorf("%d nodes are believed at the next beacon", n)
	}
}

// forger signs answers in which a leaf is another's.
type forger struct{ *Auditor }

func (f forger) Serve(ctx context.Context, op wire.Op, from swarm.MemberID, request []byte) ([]byte, error) {
	b, err := f.Auditor.Serve(ctx, op, from, request)
	if op != wire.OpChallenge || err != nil {
		return b, err
	}
	var a proof.Answer
	if err := decode(b, &a); err != nil {
		return nil, err
	}
	a.Shown[3].Leaf.Data = bytes.Repeat([]byte{9}, len(a.Shown[3].Leaf.Data))
	if err := a.Sign(f.o.Self.Key); err != nil {
		return nil, err
	}
	return encode(&a)
}

// A signed answer that is false convicts its node, with everybody, and for good.
func TestForgersAreConvicted(t *testing.T) {
	c := newCluster(t, 6, 20, 16)
	c.serve[4] = forger{c.nodes[4]}
	c.rounds(2, nil)
	for i, a := range c.nodes {
		if _, wrong, _ := a.Proved(c.ids[4].ID); !wrong && i != 4 {
			t.Errorf("node %d does not convict", i)
		}
		for _, id := range c.ids {
			if _, wrong, _ := a.Proved(id.ID); wrong && id.ID != c.ids[4].ID {
				t.Errorf("node %d convicts %s", i, id.ID)
			}
		}
	}
	dir := c.nodes[0].o.Dir
	if err := c.nodes[0].Close(); err != nil {
		t.Fatal(err)
	}
	again := c.open(0, dir, 16)
	if _, wrong, _ := again.Proved(c.ids[4].ID); !wrong {
		t.Error("the conviction is forgotten")
	}
	for id := range again.standing.wrong {
		raw, err := again.book.evidence(again.standing.wrong[id])
		var e proof.Evidence
		if err != nil || decode(raw, &e) != nil || e.Convicts(inSwarm, id) != nil {
			t.Errorf("the evidence is not there, or shows nothing: %v", err)
		}
	}
}

// Two statements of one round convict, too: whoever uses a stolen key.
func TestTwoStatementsConvict(t *testing.T) {
	c := newCluster(t, 4, 5, 4)
	c.now = time.Unix(roundLength, 0)
	thief := c.open(2, t.TempDir(), 4)
	id, shard := blockstore.ShardIDOf([]byte("x")), []byte("x")
	if err := c.nodes[2].step(t.Context(), 1, decide.Commit); err != nil {
		t.Fatal(err)
	}
	c.holds[2].sizes[id] = 1
	if err := c.holds[2].Put(t.Context(), id, shard); err != nil {
		t.Fatal(err)
	}
	if err := thief.step(t.Context(), 1, decide.Commit); err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{0, 1, 3} {
		if _, wrong, _ := c.nodes[i].Proved(c.ids[2].ID); !wrong {
			t.Errorf("node %d does not convict", i)
		}
	}
}

// A process that started within a round states nothing in it, but for what it had stated
// before: an old copy of its folder does not convict it.
func TestRestartsStateOnce(t *testing.T) {
	c := newCluster(t, 4, 5, 4)
	c.rounds(1, nil)
	c.now = time.Unix(2*roundLength, 0)
	if err := c.nodes[1].step(t.Context(), 2, decide.Commit); err != nil {
		t.Fatal(err)
	}
	dir := c.nodes[1].o.Dir
	if err := c.nodes[1].Close(); err != nil {
		t.Fatal(err)
	}
	c.now = c.now.Add(2 * time.Second)
	for name, dir := range map[string]string{"same folder": dir, "another folder": t.TempDir()} {
		again := c.open(1, dir, 4)
		again.resume()
		c.nodes[1], c.serve[1] = again, again
		if err := again.step(t.Context(), 2, decide.Commit); err != nil {
			t.Fatal(err)
		}
		if got := again.Status().Stated; got != (name == "same folder") {
			t.Errorf("%s: stated %v", name, got)
		}
	}
	if c.convicted() != 0 {
		t.Error("a restart convicted the node")
	}
}

// What comes too late, is somebody else's, or was not committed to, is refused.
func TestRefusals(t *testing.T) {
	c := newCluster(t, 4, 5, 4)
	c.rounds(1, nil)
	a := c.nodes[0]
	old := c.nodes[1].stated[0].Statement
	send := func(n *note, from int) error {
		b, err := encode(n)
		if err != nil {
			t.Fatal(err)
		}
		_, err = a.Serve(t.Context(), wire.OpBeacon, c.ids[from].ID, b)
		return err
	}
	if err := send(&note{Statement: &old}, 2); !errors.Is(err, wire.ErrRefused) {
		t.Errorf("a statement by somebody else: %v", err)
	}
	forged := old
	forged.Root.Leaves++
	if err := send(&note{Statement: &forged}, 1); !errors.Is(err, blockstore.ErrCorrupt) {
		t.Errorf("a forged statement: %v", err)
	}
	c.now = c.now.Add(time.Second)
	if err := send(&note{Statement: &old}, 1); !errors.Is(err, blockstore.ErrFormat) {
		t.Errorf("a statement of the last round: %v", err)
	}
	if err := send(&note{Reveal: &proof.Reveal{Swarm: inSwarm, Node: c.ids[1].ID, Round: 2}}, 1); !errors.Is(err, blockstore.ErrFormat) {
		t.Errorf("a part that nobody committed to: %v", err)
	}
	if err := send(&note{}, 1); !errors.Is(err, wire.ErrProtocol) {
		t.Errorf("an empty note: %v", err)
	}
	v := proof.Verdict{Swarm: inSwarm, Round: 1, Node: c.ids[3].ID, Verifier: c.ids[1].ID, Outcome: proof.Wrong}
	if err := v.Sign(c.ids[1].Key); err != nil {
		t.Fatal(err)
	}
	if err := a.take(t.Context(), []proof.Verdict{v}); err != nil {
		t.Fatal(err)
	}
	if c.convicted() != 0 {
		t.Error("a verdict without evidence convicts")
	}
	b, err := a.place([]byte{0x91, 0x90})
	if err != nil || len(b) == 0 {
		t.Errorf("an empty question: %v", err)
	}
}

// Whoever keeps a node busy with challenges does not keep its verifiers waiting.
func TestVerifiersComeFirst(t *testing.T) {
	c := newCluster(t, 8, 5, 4)
	c.rounds(1, nil)
	a := c.nodes[0]
	s := a.stated[0].Statement
	committee := proof.Committee(s.Round, s.Node, a.nodes(), committeeSize)
	ask := &proof.Challenge{Swarm: inSwarm, Node: s.Node, Round: s.Round, Root: s.Root, Leaves: 4}
	busy := 0
	for _, id := range c.ids[1:] {
		if slices.Contains(committee, id.ID) {
			continue
		}
		if _, err := a.admit(id.ID, ask); err != nil {
			busy++
		}
	}
	if busy != 4-othersAtOnce {
		t.Errorf("%d of four others are busy", busy)
	}
	for _, id := range committee {
		if _, err := a.admit(id, ask); err != nil {
			t.Errorf("a verifier: %v", err)
		}
		if _, err := a.admit(id, ask); !errors.Is(err, wire.ErrBusy) {
			t.Errorf("a verifier twice: %v", err)
		}
	}
	clear(a.asking)
	ask.Leaves = proof.MaxLeaves
	for i := range 2 * othersBurst / proof.MaxLeaves {
		leave, err := a.admit("somebody else", ask)
		if (err == nil) != (i < (othersBurst-2*4)/proof.MaxLeaves) {
			t.Errorf("challenge %d in one second: %v", i, err)
		}
		if leave != nil {
			leave()
		}
	}
}

// A node that leaves out what it lost passes, and is shown not to have it.
func TestShrunkInventoryShows(t *testing.T) {
	c := newCluster(t, 3, 10, 16)
	var lost blockstore.ShardID
	for id := range c.holds[1].sizes {
		lost = id
	}
	delete(c.holds[1].sizes, lost)
	c.rounds(1, nil)
	q, err := encode(&question{IDs: []blockstore.ShardID{lost}})
	if err != nil {
		t.Fatal(err)
	}
	b, err := link{c, 0}.Ask(t.Context(), c.ids[1].ID, wire.ProofProtocol, wire.OpPlace, q, maxPlaced)
	var p Placed
	if err != nil || decode(b, &p) != nil || len(p.Places) != 1 {
		t.Fatal(err)
	}
	if err := p.Statement.Verify(); err != nil || p.Places[0].Absent(p.Statement.Root, lost) != nil {
		t.Errorf("what it left out is not shown to be gone: %v", err)
	}
}

// TestHonestNodesAreNeverConvicted runs rounds in which requests and answers are lost,
// nodes miss parts, are cut off, have wrong clocks and lose shards. Nobody is
// convicted in any of them. PIFS_ROUNDS=100000 runs so many.
func TestHonestNodesAreNeverConvicted(t *testing.T) {
	c := newCluster(t, 4, 4, 2)
	c.loss = 0.15
	c.skew[3] = roundLength / 3 * time.Second
	rounds, beacons := 40, uint64(0)
	if more, err := strconv.Atoi(os.Getenv("PIFS_ROUNDS")); err == nil {
		rounds = more
	}
	for i := range rounds {
		clear(c.cut)
		if c.rng.IntN(4) == 0 {
			c.cut[c.rng.IntN(4)] = true
		}
		clear(c.holds[0].gone)
		if i%3 == 0 {
			for id := range c.holds[0].sizes {
				c.holds[0].gone[id] = true
				break
			}
		}
		c.rounds(1, func(int) bool { return c.rng.IntN(8) == 0 })
		if n := c.convicted(); n != 0 {
			t.Fatalf("%d convictions after %d rounds", n, i)
		}
	}
	for _, a := range c.nodes {
		beacons += a.Status().Rounds
	}
	if beacons < uint64(rounds) {
		t.Errorf("%d rounds with a beacon: the test shows nothing", beacons)
	}
}
