package swarm

import (
	"testing"

	"pifs/blockstore"
	"pifs/blockstore/blocktest"
)

// Delete reaches spares as well, leaves other stripes alone, and says when a
// member still holds something, so that it is repeated.
func TestDelete(t *testing.T) {
	for _, kind := range storeKinds() {
		for _, fault := range []blocktest.Fault{blocktest.NotApplied, blocktest.LostReply} {
			r := newRig(t, kind, 6) // class (3,5) and one spare
			var gone []blockstore.Descriptor
			for i := range 8 {
				d, _ := r.mustPut(t, i, 3000)
				gone = append(gone, d)
			}
			kept, block := r.mustPut(t, 100, 3000)
			r.valves[1].set("put", fault)
			d, _ := r.mustPut(t, 101, 3000) // a spare has one of its shards
			gone = append(gone, d)

			r.valves[2].set("sync", fault)
			if err := r.Delete(t.Context(), gone); err == nil {
				t.Errorf("%s: a member failed, and Delete is content", kind.name)
			}
			r.valves[2].set("sync", blocktest.OK)
			if err := r.Delete(t.Context(), gone); err != nil {
				t.Errorf("%s: %v", kind.name, err)
			}
			for _, d := range gone {
				for i, s := range r.stores {
					for _, id := range d.Shards {
						if held, err := s.Has(t.Context(), id); held || err != nil {
							t.Errorf("%s: store %d still has a shard: %v", kind.name, i, err)
						}
					}
				}
			}
			r.mustGet(t, kept, block, false)
			if got := r.MayDie(t.Context()); got != 2 {
				t.Errorf("%s: %d stores may die: a failed deletion put one out of use", kind.name, got)
			}
		}
	}
}
