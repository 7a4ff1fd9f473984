package decide

import (
	"encoding/binary"

	"github.com/zeebo/blake3"

	"pifs/blockstore"
	"pifs/swarm"
)

// Turn returns the member whose task a stripe is: the first of order that is
// live and knows the stripe, which who holds a shard does. It is Nobody if
// there is none. Members whose views differ may repair one stripe twice, which
// wastes bytes and harms nothing.
func Turn(order []int, able func(member int) bool) int {
	for _, m := range order {
		if able(m) {
			return m
		}
	}
	return Nobody
}

const watchContext = "pifs 2026-11 repair watch v1"

// Watches reports whether a member looks after a stripe in a round although it
// is not its turn. Each holder does so once in period rounds, at times that
// differ between holders and stripes: a member whose turn it is and that does
// nothing, or lies, leaves a stripe alone for about period/n rounds.
func Watches(addr blockstore.Address, self swarm.MemberID, round, period uint64) bool {
	if period <= 1 {
		return true
	}
	var sum [8]byte
	blake3.DeriveKey(watchContext, append(addr[:], self...), sum[:])
	return (binary.BigEndian.Uint64(sum[:])%period+round)%period == 0
}
