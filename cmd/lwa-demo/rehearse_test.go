package main

import (
	"context"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"

	"lwa-agent/agent"
	"lwa-agent/cmd/internal/simulated"
)

// TestRehearsalSaysAllThatADeviceNeeds: with the lines that it prints, an agent
// that knew of no server gets its link.
func TestRehearsalSaysAllThatADeviceNeeds(t *testing.T) {
	t.Parallel()
	free, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", anyPort)
	if err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(free.Addr().(*net.TCPAddr).Port)
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	term := newTerminal(t)
	ctx, end := context.WithCancel(t.Context())
	status := make(chan int, 1)
	go func() { status <- run(ctx, []string{"--amazon", port}, term.streams()) }()
	term.waitFor("take")
	_, said, _ := strings.Cut(term.String(), "[endpoints]")
	lines, _, _ := strings.Cut(said, "\n\n")

	const nowhere = "http://127.0.0.1:1"
	d, err := newDevice(term.tmp, nowhere, agent.MethodCBL)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(d.config())
	if err != nil {
		t.Fatal(err)
	}
	told := strings.Replace(string(text), simulated.Endpoints(nowhere), "[endpoints]"+lines+"\n", 1)
	if err := os.WriteFile(d.config(), []byte(told), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	offer, err := d.until(t.Context(), func(s agent.Status) bool { return s.UserCode != "" })
	if err != nil {
		t.Fatalf("with the lines that were printed no link is offered: %v\n%s", err, told)
	}
	if _, err := newPerson().allow(t.Context(), offer); err != nil {
		t.Fatal(err)
	}
	if _, err := d.until(t.Context(), func(s agent.Status) bool { return s.State == agent.Linked }); err != nil {
		t.Errorf("the device is not linked: %v", err)
	}
	term.waitFor("yes, here are tokens")
	if err := d.stop(); err != nil {
		t.Error(err)
	}
	if err := d.remove(); err != nil {
		t.Error(err)
	}
	end()
	if got := <-status; got != 0 {
		t.Errorf("after Ctrl-C the exit status is %d, want 0", got)
	}
}
