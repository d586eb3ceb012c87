package lwa

import (
	"net/url"
	"strings"
	"testing"
)

func TestOnlyMachinesOfALocalNetworkAreLocal(t *testing.T) {
	for host, want := range map[string]bool{
		"192.168.1.20": true, "10.0.0.1": true, "172.16.0.1": true, "169.254.7.9": true, "127.0.0.1": true, "::1": true, "fe80::1": true, "fd00::7": true,
		"localhost": true, "LOCALHOST": true, "radio.local": true, "RADIO.LOCAL": true,
		"8.8.8.8": false, "172.32.0.1": false, "100.64.0.1": false, "2001:db8::1": false, "radio.example": false, "local": false, "radio.local.example": false, "": false,
	} {
		if got := IsLocal(host); got != want {
			t.Errorf("%q: %t, want %t: a page on the web sends browsers to local machines and nowhere else", host, got, want)
		}
	}
}

func TestStateIsOursWhereverThePageWas(t *testing.T) {
	a := NewAttempt("https://radio.example/link/")
	here, there := a.Toward("HTTP://192.168.1.20:9744/7K2Q"), a.Toward("HTTPS://RADIO.LOCAL:9744/7K2Q")
	if here.State != a.State+".192.168.1.20:9744/7k2q" || there.State != a.State+".https://radio.local:9744/7k2q" {
		t.Errorf("states %q and %q; want the address behind the random part, without http://", here.State, there.State)
	}
	for state, want := range map[string]bool{
		a.State: true, here.State: true, there.State: true, a.State + ".": true, a.State + ".8.8.8.8/x": true,
		a.State[:21] + ".192.168.1.20:9744/7k2q": false, "." + a.State: false, a.State + "x.192.168.1.20": false, ".192.168.1.20": false, "": false,
	} {
		if a.Matches(state) != want {
			t.Errorf("%q: %t, want %t: only the random part counts", state, !want, want)
		}
	}
}

// FuzzState: whatever address stands behind the random part, a state is ours by
// that part alone, and comes back out of every form of a redirect.
func FuzzState(f *testing.F) {
	a := NewAttempt("https://radio.example/link/")
	f.Add("HTTP://192.168.1.20:9744/7K2Q", a.State+".192.168.1.20:9744/7k2q")
	f.Add("HTTPS://RADIO.LOCAL:9744/7K2Q", "AAAAAAAAAAAAAAAAAAAAAA."+a.State)
	f.Add("", ".")
	f.Fuzz(func(t *testing.T, page, state string) {
		random, _, _ := strings.Cut(state, ".")
		if a.Matches(state) != (random == a.State) {
			t.Fatalf("%q matches: %t", state, a.Matches(state))
		}
		if !isVisible(page) {
			return // the page's address is the agent's own
		}
		sent := a.Toward(page).State
		if !a.Matches(sent) {
			t.Fatalf("our own state %q is not ours", sent)
		}
		drop, err := ParseDrop([]byte("https://radio.example/link/?code=ANabcdefghijklmnopqr&state=" + url.QueryEscape(sent) + "\n"))
		if err == nil && drop.State != sent {
			t.Fatalf("sent the state %q, got back %q", sent, drop.State)
		}
		if err != nil && len(url.QueryEscape(sent)) < MaxDrop-100 {
			t.Fatalf("the state %q does not come back: %v", sent, err)
		}
	})
}
