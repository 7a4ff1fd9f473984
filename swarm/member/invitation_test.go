package member

import (
	"errors"
	"strings"
	"testing"
)

func TestInvitationIsOneLine(t *testing.T) {
	f := testFounder(t)
	i := testInvitation(t, f, 3, testNow+100)
	text, err := i.Format()
	must(t, err)
	if strings.ContainsAny(text, " \n") || !strings.HasPrefix(text, "pifs:i1:") {
		t.Errorf("%q", text)
	}
	back, err := ParseInvitation("  " + text + "\n")
	must(t, err)
	must(t, back.Ticket.Verify(back.Genesis, testNow))
	if back.Seed != i.Seed || back.Scope != testScope || back.Bootstrap[0] != i.Bootstrap[0] || back.Genesis != f.Genesis {
		t.Errorf("%+v", back)
	}
	for at := range len(text) {
		for _, bad := range []string{text[:at], text[:at] + "A" + text[at:], text[:at] + text[at+1:], text[:at] + "*" + text[at+1:]} {
			if _, err := ParseInvitation(bad); !errors.Is(err, ErrTicket) {
				t.Fatalf("%q: %v", bad, err)
			}
		}
	}
}

func TestInvitationsThatDoNotFitAreRefused(t *testing.T) {
	f := testFounder(t)
	for name, spoil := range map[string]func(*Invitation){
		"another scope": func(i *Invitation) { i.Scope[0]++ },
		"another key":   func(i *Invitation) { i.Seed[0]++ },
		"no address":    func(i *Invitation) { i.Bootstrap = nil },
		"no id":         func(i *Invitation) { i.Bootstrap = []string{"/ip4/10.0.0.1/tcp/1"} },
		"no uses":       func(i *Invitation) { i.Ticket.Uses = 0 },
		"version":       func(i *Invitation) { i.Version = 9 },
		"ladder":        func(i *Invitation) { i.Genesis.Ladder = "steep" },
	} {
		i := testInvitation(t, f, 3, testNow+100)
		spoil(i)
		text, err := i.Format()
		must(t, err)
		if _, err := ParseInvitation(text); !errors.Is(err, ErrTicket) {
			t.Errorf("%s: %v", name, err)
		}
	}
	i := testInvitation(t, f, 3, testNow+100)
	if err := i.Ticket.Verify(f.Genesis, testNow+100); !errors.Is(err, ErrTicket) {
		t.Errorf("expired: %v", err)
	}
	i.Ticket.Uses++
	if err := i.Ticket.Verify(f.Genesis, testNow); !errors.Is(err, ErrTicket) {
		t.Errorf("more uses than the founder signed: %v", err)
	}
}
