package agent

import (
	"testing"
)

// A program asks over a connection of its own, as systemd does.
func BenchmarkTokenSocket(b *testing.B) {
	s := serveAgent(b, nil)
	s.link()
	for b.Loop() {
		if _, err := s.readCredential(); err != nil {
			b.Fatal(err)
		}
	}
}

// A program asks again and again over the connection that it keeps.
func BenchmarkTokenHTTP(b *testing.B) {
	s := serveAgent(b, nil)
	s.link()
	client := s.client(agentSockName)
	for b.Loop() {
		if a := s.request(client, "GET", "/token", ""); a.status != 200 {
			b.Fatal(a.text)
		}
	}
}
