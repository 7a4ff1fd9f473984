package cli

import (
	"slices"
	"strings"
	"testing"
)

func TestPermute(t *testing.T) {
	app := newApp(Env{})
	tests := []struct{ in, want string }{
		{"pifs umount DIR --lazy", "pifs umount --lazy DIR"},
		{"pifs mount DIR --volume v --read-only", "pifs mount --volume v --read-only DIR"},
		{"pifs --home H mount DIR --store=a", "pifs --home H mount --store=a DIR"},
		{"pifs volume create NAME --scope private", "pifs volume create --scope private NAME"},
		{"pifs restore -- --odd", "pifs restore -- --odd"},
		{"pifs diff a -- -b", "pifs diff a -- -b"},
		{"pifs frob x --y", "pifs frob x --y"},
		{"pifs umount DIR --volume", "pifs umount --volume DIR"},
		{"pifs", "pifs"},
	}
	for _, tt := range tests {
		got := permute(app, strings.Fields(tt.in))
		if !slices.Equal(got, strings.Fields(tt.want)) {
			t.Errorf("%s: %q, want %s", tt.in, got, tt.want)
		}
	}
}
