package repair

import (
	"context"

	"pifs/swarm"
	"pifs/swarm/wire"
)

var _ wire.SurveyServer = (*Repairer)(nil)

// Survey implements wire.SurveyServer: it is Status for any member.
func (r *Repairer) Survey(context.Context, swarm.MemberID) (*wire.Surveyed, error) {
	s := r.Status()
	return &wire.Surveyed{
		Ended: s.Ended, Passes: s.Passes, Stripes: uint64(s.Survey.Stripes), Endangered: uint64(s.Survey.Endangered()), Queue: uint64(s.Queue),
		Repaired: uint64(s.Counts.Stripes), Rebuilt: uint64(s.Shards), Bytes: uint64(s.Bytes), Failed: uint64(s.Failed), Malformed: uint64(s.Malformed),
		Nodes: int16(s.Survey.Nodes), Operators: int16(s.Survey.Operators), Jurisdictions: int16(s.Survey.Places),
	}, nil
}
