package lwa

import "testing"

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
