package main

import (
	"slices"

	"pifs/swarm/decide"
)

// planLife draws how long a node lives, and its absences.
func (w *world) planLife(i int) {
	w.after(w.exponential(w.life*day*float64(second)), func() { w.die(i) })
	if w.away > 0 {
		w.planAbsence(i)
	}
}

// die ends a node for good. Another joins: the swarm keeps its size.
func (w *world) die(i int) {
	n := w.peers[i]
	if n.gone {
		return
	}
	n.gone = true
	w.live(i)
	w.stats.deaths++
	w.join()
	w.loseWhatDied(i)
}

func (w *world) planAbsence(i int) {
	n := w.peers[i]
	w.after(w.exponential(year/w.away*float64(second)), func() {
		if n.gone {
			return
		}
		w.switchOff(i)
		w.after(w.exponential(w.awayFor*3600*float64(second)), func() {
			w.switchOn(i)
			if !n.gone {
				w.planAbsence(i)
			}
		})
	})
}

func (w *world) switchOff(i int) {
	w.peers[i].out++
	w.live(i)
}

func (w *world) switchOn(i int) {
	w.peers[i].out--
	w.live(i)
	w.work(i)
}

// planDark draws when a jurisdiction goes dark next.
func (w *world) planDark(p int) {
	w.after(w.exponential(year/w.dark*float64(second)), func() {
		w.stats.darkened++
		if w.rng.Float64() < w.forGood {
			for i, n := range w.peers {
				if n.place == p {
					w.die(i)
				}
			}
			w.planDark(p)
			return
		}
		w.places[p].dark = true
		for i, n := range w.peers {
			if n.place == p && !n.gone {
				w.switchOff(i)
			}
		}
		w.after(w.exponential(w.darkFor*day*float64(second)), func() { w.lighten(p) })
	})
}

func (w *world) lighten(p int) {
	w.places[p].dark = false
	for i, n := range w.peers {
		if n.place == p && n.out > 0 {
			w.switchOn(i)
		}
	}
	w.planDark(p)
}

// loseWhatDied looks for stripes that a death was the end of. It is the truth
// and not a decision: nobody is told.
func (w *world) loseWhatDied(dead int) {
	for i, s := range w.bundles {
		touched := slices.ContainsFunc(s.shards, func(sh shard) bool { return sh.holder == dead })
		if touched && w.exist(s) < int(w.class.K) {
			w.lose(s, i)
		}
	}
}

// lose counts a stripe as lost and writes another in its place, as the model
// does.
func (w *world) lose(s *stripe, i int) {
	w.stats.lost++
	for j := range s.shards {
		w.forget(&s.shards[j])
	}
	w.write(s, i)
}

// exist counts the shards of a stripe that are on some disk.
func (w *world) exist(s *stripe) (n int) {
	for _, sh := range s.shards {
		if sh.holder != decide.Nobody && !sh.bad && !w.peers[sh.holder].gone {
			n++
		}
	}
	return n
}
