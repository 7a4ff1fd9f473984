package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"syscall"
	"testing"

	"pifs/blockstore"
	"pifs/cli/control"
	"pifs/cli/home"
	"pifs/swarm"
	"pifs/swarm/member"
)

func TestStatusOf(t *testing.T) {
	tests := []struct {
		err  error
		want Status
	}{
		{nil, StatusOK},
		{errors.New("odd"), StatusFailed},
		{fail(errUsage, "x", nil), StatusUsage},
		{fmt.Errorf("volume: %w", home.ErrNoVolume), StatusNotFound},
		{fmt.Errorf("lock: %w", home.ErrLocked), StatusBusy},
		{fmt.Errorf("open: %w", home.ErrForeign), StatusPermission},
		{fmt.Errorf("open: %w", syscall.EACCES), StatusPermission},
		{fmt.Errorf("class: %w", home.ErrMismatch), StatusConfig},
		{fmt.Errorf("read: %w", blockstore.ErrCorrupt), StatusCorrupt},
		{fmt.Errorf("write: %w", syscall.ENOSPC), StatusNoSpace},
		{fail(errRepaired, "x", nil), StatusRepaired},
		{fmt.Errorf("read: %w: %w", blockstore.ErrLost, blockstore.ErrCorrupt), StatusLost},
		{fmt.Errorf("call: %w", control.ErrUnreachable), StatusDaemon},
		{fail(errMountPoint, "x", syscall.ENOENT), StatusMountPoint},
		{fmt.Errorf("join: %w", member.ErrTicket), StatusPermission},
		{fmt.Errorf("leave: %w", member.ErrRefused), StatusPermission},
		{fmt.Errorf("join: %w", swarm.ErrUnreachable), StatusStores},
		{context.Canceled, StatusInterrupted},
	}
	for _, tt := range tests {
		if got, _ := statusOf(tt.err); got != tt.want {
			t.Errorf("%v: status %d, want %d", tt.err, got, tt.want)
		}
	}
}

func TestEveryStatusIsListedOnce(t *testing.T) {
	seen := map[Status]bool{}
	for _, o := range outcomes() {
		if seen[o.status] || o.meaning == "" {
			t.Errorf("status %d is listed twice or says nothing", o.status)
		}
		seen[o.status] = true
	}
}

func TestErrorsKeepStatusAndChainOverTheWire(t *testing.T) {
	err := fmt.Errorf("open volume: %w", fail(home.ErrMismatch, "it is\nanother one", errors.New("cause")))
	raw, jsonErr := json.Marshal(onWire(err))
	if jsonErr != nil {
		t.Fatal(jsonErr)
	}
	var back control.Error
	if err := json.Unmarshal(raw, &back); err != nil {
		t.Fatal(err)
	}
	status, _ := statusOf(&back)
	if status != StatusConfig || oneLine(&back) != "open volume: it is another one" {
		t.Errorf("status %d, line %q", status, oneLine(&back))
	}
	want := []string{"it is another one", "differs from before", "cause"}
	if got := chain(&back); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("chain %q, want %q", got, want)
	}
}
