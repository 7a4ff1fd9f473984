package decide

import (
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

const someday = 1_700_000_000

// tenant is a principal that behaves: it puts what it needs, and each keep-set names
// all it needs at that moment; it makes the next only when the last one came.
type tenant struct {
	needs   bool
	skew    int64 // of its clock
	sending *KeepSet
	sent    []KeepSet // that came, oldest first
	claim   *Claimed
}

// leaseModel has one shard, some tenants and a node whose wall clock jumps.
type leaseModel struct {
	periods Lease
	steady  Steady
	passed  int64 // seconds
	skew    int64 // of the node's wall clock
	rng     *rand.Rand
	tenants []*tenant
}

func (m *leaseModel) put(p *tenant) {
	p.needs, p.claim = true, &Claimed{At: m.steady.Now}
}

// step does one random thing.
func (m *leaseModel) step() {
	p := m.tenants[m.rng.IntN(len(m.tenants))]
	switch n := m.rng.IntN(40); {
	case n < 2:
		m.put(p) // anew, or as a claim of what the node holds
	case n < 3:
		p.needs = false
	case n < 11:
		if p.sending == nil {
			p.sending = &KeepSet{Made: someday + m.passed + p.skew, Names: p.needs}
		}
	case n < 19:
		if p.sending != nil {
			p.sending.Came = m.steady.Now
			p.sent, p.sending = append(p.sent, *p.sending), nil
		}
	case n < 20: // the node is away, and its clock is another when it returns
		m.passed += m.rng.Int64N(400)
		m.skew = m.rng.Int64N(6*MaxAway) - 3*MaxAway
		m.steady = m.steady.Start(someday + m.passed + m.skew)
	case n < 21:
		p.skew = m.rng.Int64N(4*MaxAway) - 2*MaxAway
	default:
		seconds := m.rng.Int64N(60)
		m.passed += seconds
		m.steady = m.steady.Advance(seconds, someday+m.passed+m.skew)
	}
}

// TestLeasesEndNothingNeeded lets principals put, claim, stop to need and send keep-sets,
// in any order and with any clocks, beside a node that is restarted with a wrong
// clock now and then. No claim of what is needed expires, and some others do.
func TestLeasesEndNothingNeeded(t *testing.T) {
	expired := 0
	rapid.Check(t, func(t *rapid.T) {
		m := &leaseModel{periods: Lease{Lease: 100, Grace: 30}, steady: Steady{}.Start(someday)}
		// Drawn numbers are small by preference, which ages nothing: only the seed is drawn.
		m.rng = rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		for range 1 + m.rng.IntN(3) {
			m.tenants = append(m.tenants, new(tenant))
		}
		for range 400 {
			m.step()
			for _, p := range m.tenants {
				if p.claim == nil {
					continue
				}
				c := *p.claim
				c.Sets = p.sent[max(0, len(p.sent)-2):]
				if !m.periods.Expired(c, m.steady.Now) {
					continue
				}
				if p.needs {
					t.Fatalf("a claim to what is needed expired: %+v at %d", c, m.steady.Now)
				}
				expired++
				p.claim = nil
			}
		}
	})
	if expired == 0 {
		t.Error("nothing ever expired: the test shows nothing")
	}
}

// TestLeaseEdges holds when a claim ends, to the second, and what keeps it.
func TestLeaseEdges(t *testing.T) {
	p := Lease{Lease: 100, Grace: 30}
	left := Claimed{At: 1000, Sets: []KeepSet{{Made: 1001, Came: 1005}, {Made: 1060, Came: 1060}}}
	if p.Expired(left, 1129) || !p.Expired(left, 1130) {
		t.Error("it does not end when lease and grace are over")
	}
	for name, change := range map[string]func(*Claimed){
		"named by the older":     func(c *Claimed) { c.Sets[0].Names = true },
		"named by the newer":     func(c *Claimed) { c.Sets[1].Names = true },
		"one keep-set":           func(c *Claimed) { c.Sets = c.Sets[:1] },
		"no keep-set":            func(c *Claimed) { c.Sets = nil },
		"renewed":                func(c *Claimed) { c.At = 1130 },
		"put when one was made":  func(c *Claimed) { c.Sets[0].Made = c.At },
		"put when one had come":  func(c *Claimed) { c.Sets[0].Came = c.At },
		"put when the next came": func(c *Claimed) { c.Sets[1].Came = c.At - 1 },
	} {
		c := left
		c.Sets = append([]KeepSet(nil), left.Sets...)
		change(&c)
		if p.Expired(c, 1200) {
			t.Errorf("%s: it expired", name)
		}
	}
}

// TestSteady holds that no wall clock makes time run faster than it does, but for a
// day at a start, nor back.
func TestSteady(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, passed, starts := Steady{}.Start(someday), int64(0), int64(0)
		for range rapid.IntRange(1, 50).Draw(t, "steps") {
			wall := someday + passed + rapid.Int64Range(-1e9, 1e9).Draw(t, "skew")
			before := s
			if rapid.Bool().Draw(t, "restart") {
				s, starts = s.Start(wall), starts+1
			} else {
				n := rapid.Int64Range(0, 1e6).Draw(t, "seconds")
				s, passed = s.Advance(n, wall), passed+n
			}
			if s.Now < before.Now || s.Wall < before.Wall {
				t.Fatalf("it went back: %+v, before %+v", s, before)
			}
		}
		if s.Now > someday+passed+starts*MaxAway {
			t.Fatalf("at %d after %d s and %d starts", s.Now-someday, passed, starts)
		}
		if again := s.Start(s.Wall); again != s {
			t.Fatalf("a clock that flaps adds time: %+v, before %+v", again, s)
		}
	})
}
