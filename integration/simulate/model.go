package main

import (
	"math"

	"pifs/blockstore"
	"pifs/swarm/decide"
)

// model is a continuous-time Markov chain of one (k, n) stripe under lazy
// repair with delayed detection: the birth–death chains of Ramabhadran &
// Pasquale ("Analysis of long-running replicated systems", INFOCOM 2006) and
// of Dalle, Giroire, Monteiro & Pérennes ("Analysis of failure correlation
// impact on peer-to-peer storage systems", P2P 2009), whose repair begins at
// a threshold, with the shards that died and are not known to be dead as a
// second dimension.
//
// States (a, u): a shards exist, u died and still count as proved.
//
//	(a, u) → (a−1, u+1)   at a·λ   a node dies, λ = 1/mean life; a = k−1 is the loss
//	(a, u) → (a, u−1)     at u·δ   a death is noticed, 1/δ = mean time until a proof is too old
//	(a, u) → (n−u, u)     at ρ     if a+u ≤ r: repair of what is known to be missing, 1/ρ = its mean duration
//
// r = n − ⌊(n−k)/2⌋ is the threshold. How u is distributed does not depend on
// how long noticing takes but on its mean, as in any queue M/G/∞, so the
// exponential does little harm. A lost stripe begins anew at (n, 0). From the stationary
// distribution π follow, per stripe and unit of time:
//
//	losses    Σ π(k, u)·k·λ
//	repairs   Σ π(a, u)·ρ                           over a+u ≤ r
//	traffic   Σ π(a, u)·ρ·(k−1 + n−(a+u))/n         in bytes per stored byte; the repairer has one shard
type model struct {
	losses  float64   // per stripe and year
	repairs float64   // per stripe and year
	traffic float64   // bytes per stored byte and year
	proved  []float64 // share of time with so many proved shards
}

// state is one of the chain's.
type state struct{ alive, unnoticed int }

// chain is the model while it is solved.
type chain struct {
	class              blockstore.Class
	lambda, delta, rho float64 // per year
	states             []state
	index              map[state]int
	rates              [][]float64
}

// solve returns the model of a class with rates per year.
func solve(class blockstore.Class, lambda, delta, rho float64) model {
	c := chain{class: class, lambda: lambda, delta: delta, rho: rho, index: make(map[state]int)}
	n, k := int(class.N), int(class.K)
	for alive := k; alive <= n; alive++ {
		for u := 0; alive+u <= n; u++ {
			c.index[state{alive, u}] = len(c.states)
			c.states = append(c.states, state{alive, u})
		}
	}
	c.rates = make([][]float64, len(c.states))
	for i, s := range c.states {
		c.rates[i] = make([]float64, len(c.states))
		c.leave(i, s)
	}
	pi := stationary(c.rates)
	m := model{proved: make([]float64, n+1)}
	for i, s := range c.states {
		known := s.alive + s.unnoticed
		m.proved[known] += pi[i]
		if s.alive == k {
			m.losses += pi[i] * float64(k) * lambda
		}
		if known <= decide.LazyThreshold(class) && known < n {
			m.repairs += pi[i] * rho
			m.traffic += pi[i] * rho * float64(k-1+n-known) / float64(n)
		}
	}
	return m
}

// leave enters the rates out of a state.
func (c *chain) leave(i int, s state) {
	n, k := int(c.class.N), int(c.class.K)
	to := func(t state, rate float64) {
		if j := c.index[t]; j != i {
			c.rates[i][j] += rate
		}
	}
	next := state{s.alive - 1, s.unnoticed + 1}
	if s.alive == k {
		next = state{n, 0} // lost
	}
	to(next, float64(s.alive)*c.lambda)
	if s.unnoticed > 0 {
		to(state{s.alive, s.unnoticed - 1}, float64(s.unnoticed)*c.delta)
	}
	if known := s.alive + s.unnoticed; known <= decide.LazyThreshold(c.class) && known < n {
		to(state{n - s.unnoticed, s.unnoticed}, c.rho)
	}
}

// stationary solves π·Q = 0 for the rates of an irreducible chain, by
// elimination without subtraction (Grassmann, Taksar & Heyman, Operations
// Research 33, 1985), which keeps the smallest entries exact. It overwrites
// rates.
func stationary(rates [][]float64) []float64 {
	n := len(rates)
	for last := n - 1; last > 0; last-- {
		out := 0.0
		for j := range last {
			out += rates[last][j]
		}
		for i := range last {
			rates[i][last] /= out
		}
		for i := range last {
			for j := range last {
				if i != j {
					rates[i][j] += rates[i][last] * rates[last][j]
				}
			}
		}
	}
	pi := make([]float64, n)
	pi[0] = 1
	sum := 1.0
	for i := 1; i < n; i++ {
		for j := range i {
			pi[i] += pi[j] * rates[j][i]
		}
		sum += pi[i]
	}
	for i := range pi {
		pi[i] /= sum
	}
	return pi
}

// modelOf returns the model of what is simulated, with repairs that take so
// many seconds.
func modelOf(o options, repair float64) model {
	return solve(o.class, year/(o.life*day), year/o.noticed(), year/max(repair, 1))
}

// noticed returns the mean seconds from a death until its shards do not count.
// Who dies between two judgements, in the middle on average, proved last at
// the commitment before the first, and is missed at the first judgement at
// which that is older than the policy allows.
func (o options) noticed() float64 {
	r := o.rounds()
	judge := float64(r.Begins(0, decide.Judge)) / float64(o.round)
	age := float64(o.policy().MaxAge) / float64(o.round)
	return (math.Floor(age-judge-1) + 1.5) * float64(o.round)
}
