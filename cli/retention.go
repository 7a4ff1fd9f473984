package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"pifs/cli/home"
	"pifs/fsnode"
)

// retention says which heads of a volume are not kept as they were made. It
// stands in a file beside the chain, whose records never change:
//
//	{"version": 1, "forgotten": [[1, 40], [42, 42]], "unnamed": [[7, 7]]}
//
// Numbers are ranges of seqs, both ends included, ascending. Without the file
// every head is kept.
type retention struct {
	Version   int    `json:"version"`
	Forgotten []span `json:"forgotten"` // their blocks may be collected
	Unnamed   []span `json:"unnamed"`   // snapshots whose name was taken away
}

// span is a range of seqs, both ends included.
type span [2]uint64

const (
	retentionVersion = 1
	maxRetention     = 64 << 20 // bytes of the file that we are ready to parse
)

func retentionPath(chain string) string { return chain + ".kept" }

func loadRetention(path string) (*retention, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &retention{Version: retentionVersion}, nil
	}
	if err == nil && info.Size() > maxRetention {
		err = fmt.Errorf("%d bytes: %w", info.Size(), home.ErrDamaged)
	}
	var raw []byte
	if err == nil {
		raw, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("read which heads are kept: %w", err)
	}
	r := new(retention)
	if err := json.Unmarshal(raw, r); err != nil {
		return nil, fmt.Errorf("parse %s: %w: %w", path, home.ErrDamaged, err)
	}
	if r.Version != retentionVersion || !ascending(r.Forgotten) || !ascending(r.Unnamed) {
		return nil, fmt.Errorf("parse %s: version %d: %w", path, r.Version, home.ErrDamaged)
	}
	return r, nil
}

func ascending(spans []span) bool {
	last := uint64(0)
	for _, s := range spans {
		if s[0] <= last || s[1] < s[0] {
			return false
		}
		last = s[1]
	}
	return true
}

func (r *retention) save(path string) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode which heads are kept: %w", err)
	}
	return home.WriteFile(path, raw)
}

// apply marks the entries of a chain, which are in the order of their seqs.
func (r *retention) apply(entries []fsnode.HeadEntry) {
	n := uint64(len(entries))
	for _, s := range r.Forgotten {
		for seq := s[0]; seq <= min(s[1], n); seq++ {
			entries[seq-1].Forgotten = true
		}
	}
	for _, s := range r.Unnamed {
		for seq := s[0]; seq <= min(s[1], n); seq++ {
			entries[seq-1].Label = nil
		}
	}
}

// union adds seqs to spans.
func union(spans []span, seqs []uint64) []span {
	all := slices.Clone(spans)
	for _, seq := range seqs {
		all = append(all, span{seq, seq})
	}
	slices.SortFunc(all, func(a, b span) int { return slices.Compare(a[:], b[:]) })
	var out []span
	for _, s := range all {
		if n := len(out); n > 0 && s[0] <= out[n-1][1]+1 {
			out[n-1][1] = max(out[n-1][1], s[1])
			continue
		}
		out = append(out, s)
	}
	return out
}
