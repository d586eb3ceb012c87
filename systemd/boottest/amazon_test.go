//go:build boottest

package boottest

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"lwa-agent/lwa/lwatest"
)

// amazonAddress is Amazon as the machine's programs see it: plain http, which
// is allowed for loopback only.
const amazonAddress = "127.0.0.1:8080"

// amazonSocket is the machine's way out to it. With the machine's amazon.socket
// stopped, connections are refused, as they are without a network.
const amazonSocket = "/amazon/sock"

// serveAmazon starts a simulated Amazon and lays the machine's line to it. It
// belongs to the test's process, so what it knows outlives the machine's
// reboots.
func serveAmazon(t *testing.T, root string) *lwatest.Sim {
	t.Helper()
	sim := lwatest.New(lwatest.Options{AccountName: "Ada Lovelace", AccountEmail: "ada@example.com", PairInterval: time.Second})
	write := func(path, text string) {
		t.Helper()
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("/etc/systemd/system/amazon.socket", "[Socket]\nListenStream="+amazonAddress+"\n")
	write("/etc/systemd/system/amazon.service", "[Service]\nExecStart=/lib/systemd/systemd-socket-proxyd "+amazonSocket+"\n")

	dir := filepath.Join(root, filepath.Dir(amazonSocket))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	// The address of a socket has at most 107 bytes, a path in a cache may have more.
	held, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	listener, err := net.Listen("unix", fmt.Sprintf("/proc/self/fd/%d/%s", held.Fd(), filepath.Base(amazonSocket)))
	if err != nil {
		t.Fatal(err)
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false) // by then the descriptor is another file
	server := &http.Server{Handler: sim}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	return sim
}

// allow plays the person who scanned the QR code, signed in and pressed Allow:
// it returns the address that the browser ends at, and the code in it.
func allow(t *testing.T, sim *lwatest.Sim, authorizeURL string) (redirect, code string) {
	t.Helper()
	redirect, err := sim.Allow(authorizeURL)
	if err != nil {
		t.Fatalf("the person at Amazon: %v", err)
	}
	u, err := url.Parse(redirect)
	if err != nil {
		t.Fatal(err)
	}
	return redirect, u.Query().Get("code")
}
