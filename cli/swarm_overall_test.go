package cli

import "testing"

// TestOverall: of what failures would be survived the least counts, whoever says
// more; nodes without a look, or without stripes, say nothing about it.
func TestOverall(t *testing.T) {
	says := func(passes, stripes uint64, nodes, operators, jurisdictions int16) *repairLine {
		return &repairLine{Passes: passes, Ended: int64(passes), Stripes: stripes, Endangered: stripes / 2, Nodes: nodes, Operators: operators, Jurisdictions: jurisdictions}
	}
	for name, c := range map[string]struct {
		says          []*repairLine
		told          int
		stripes, weak uint64
		survives      string
	}{
		"nobody":        {[]*repairLine{nil, says(0, 9, 9, 9, 9)}, 0, 0, 0, "no node, no operator, no jurisdiction"},
		"the least":     {[]*repairLine{says(3, 10, 3, 2, 2), says(2, 6, 2, 3, 1), nil}, 2, 16, 8, "any 2 nodes, any 2 operators, any 1 jurisdiction"},
		"one without":   {[]*repairLine{says(1, 0, 0, 0, 0), says(1, 2, 3, 3, 0), says(1, 0, 0, 0, 0)}, 3, 2, 1, "any 3 nodes, any 3 operators, no jurisdiction"},
		"too few":       {[]*repairLine{says(1, 4, 2, 2, 2), says(1, 1, -1, -1, -1)}, 2, 5, 2, "NOTHING: fewer shards of some stripes are proved than it takes to read them"},
		"who overdoes":  {[]*repairLine{says(1, 4, 255, 255, 255), says(1, 4, 1, 1, 0)}, 2, 8, 4, "any 1 node, any 1 operator, no jurisdiction"},
		"first without": {[]*repairLine{says(5, 0, 0, 0, 0), says(4, 8, 3, 3, 1)}, 2, 8, 4, "any 3 nodes, any 3 operators, any 1 jurisdiction"},
	} {
		t.Run(name, func(t *testing.T) {
			var o overall
			for _, l := range c.says {
				o.add(l)
			}
			if o.Told != c.told || o.Stripes != c.stripes || o.Endangered != c.weak || o.survives() != c.survives {
				t.Errorf("got %+v, which survives %s", o, o.survives())
			}
		})
	}
}
