package lwa

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"lwa-agent/lwa/lwatest"
	"lwa-agent/lwa/lwatest/harness"
)

// inNetwork runs the test again in a network of its own, where there is nothing
// but the loopback interface, with Go's own resolver, as the product has it, and
// reports whether this is that run.
func inNetwork(t *testing.T, env ...string) bool {
	t.Helper()
	if _, err := exec.LookPath("ip"); err != nil {
		harness.Missing(t, "ip is missing: apt-get install iproute2")
	}
	here := harness.Again(t, harness.Place{Attr: harness.Namespaces(), Env: append(env, "GODEBUG=netdns=go")})
	if here {
		run(t, "ip", "link", "set", "lo", "up")
	}
	return here
}

func run(t *testing.T, command ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", command, err, out)
	}
}

// resolvConf puts a file of the test over /etc/resolv.conf and returns its name.
func resolvConf(t *testing.T) string {
	t.Helper()
	own := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(own, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	target, err := filepath.EvalSymlinks("/etc/resolv.conf")
	if err != nil {
		harness.Missing(t, err.Error())
	}
	if err := syscall.Mount(own, target, "", syscall.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	return own
}

// serveNames answers each question for an address (RFC 1035) with the given ones.
func serveNames(t *testing.T, at string, addresses ...netip.Addr) {
	t.Helper()
	c, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = c.WriteTo(answerName(buf[:n], addresses), from)
		}
	}()
}

func answerName(query []byte, addresses []netip.Addr) []byte {
	end := 12
	for end < len(query) && query[end] != 0 {
		end += int(query[end]) + 1
	}
	end += 5 // the root, type and class
	if end > len(query) {
		return nil
	}
	kind := binary.BigEndian.Uint16(query[end-4:])
	answer := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, query[12:end]...)
	for _, a := range addresses {
		if want := map[bool]uint16{true: 1, false: 28}[a.Is4()]; kind == want { // A, AAAA
			answer[7]++
			answer = append(answer, 0xC0, 12, 0, byte(kind), 0, 1, 0, 0, 0, 1, 0, byte(len(a.AsSlice())))
			answer = append(answer, a.AsSlice()...)
		}
	}
	return answer
}

const testHost = "api.amazon.example"

// serveHere puts a device's Amazon behind a real socket, to be found by name.
func serveHere(t *testing.T) *device {
	t.Helper()
	d := overLoopback(t, lwatest.Options{})
	_, port, _ := strings.Cut(strings.TrimPrefix(d.Endpoints.Token, "http://"), ":")
	port, _, _ = strings.Cut(port, "/")
	d.reach("http://" + testHost + ":" + port)
	return d
}

func TestNameServerThatAppearsLateIsAsked(t *testing.T) {
	t.Parallel()
	if !inNetwork(t) {
		return
	}
	own := resolvConf(t)
	d := serveHere(t)
	code := d.signIn()
	_, err := d.Exchange(t.Context(), code, d.attempt)
	if e := d.failure(err); e.Code != "network" || !e.Unsent || !strings.Contains(e.Message, "cannot find "+testHost) {
		t.Fatalf("without any name server: %+v; want that the name is not found, and nothing sent", e)
	}
	serveNames(t, "127.0.0.9:53", netip.MustParseAddr("127.0.0.1"))
	if err := os.WriteFile(own, []byte("nameserver 127.0.0.9\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	for err != nil && time.Since(begin) < 20*time.Second { // Go looks at the file again after 5 s
		time.Sleep(200 * time.Millisecond)
		_, err = d.Exchange(t.Context(), code, d.attempt)
	}
	if err != nil {
		t.Errorf("%v after DHCP had told the name server: %v; the agent would have to be restarted", time.Since(begin), err)
	}
}

func TestBlackHoleOfIPv6IsSteppedOver(t *testing.T) {
	t.Parallel()
	if !inNetwork(t) {
		return
	}
	hole := netip.MustParseAddr("2001:db8::99")
	// A wire with nobody at its other end, who would be asked for nothing.
	run(t, "ip", "link", "add", "hole", "type", "veth", "peer", "name", "drain")
	run(t, "ip", "link", "set", "hole", "arp", "off", "up")
	run(t, "ip", "link", "set", "drain", "arp", "off", "up")
	run(t, "ip", "address", "add", "2001:db8::2/64", "dev", "hole", "nodad")
	if err := os.WriteFile(resolvConf(t), []byte("nameserver 127.0.0.9\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	serveNames(t, "127.0.0.9:53", hole, netip.MustParseAddr("127.0.0.1"))
	d := serveHere(t)

	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if c, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(hole.String(), "80")); !errors.Is(err, context.DeadlineExceeded) && !os.IsTimeout(err) {
		t.Fatalf("%v is no black hole (%v, %v), so this proves nothing", hole, c, err)
	}
	begin := time.Now()
	_, err := d.Exchange(t.Context(), d.signIn(), d.attempt)
	if took := time.Since(begin); err != nil || took > 2*time.Second || took < 200*time.Millisecond {
		t.Errorf("after %v: %v; want IPv4 after the 300 ms that IPv6 gets first (RFC 8305)", took, err)
	}
}

// TestProxyOfTheEnvironmentIsUsed: with HTTPS_PROXY in the unit all calls go
// through it, as a tunnel: it sees neither secret nor token.
func TestProxyOfTheEnvironmentIsUsed(t *testing.T) {
	t.Parallel()
	if !inNetwork(t, "HTTPS_PROXY=http://127.0.0.1:3128", "NO_PROXY=") {
		return
	}
	sim := lwatest.New(lwatest.Options{})
	server := httptest.NewTLSServer(sim)
	defer server.Close()
	var tunnels, seen atomic.Int64
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:3128")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go tunnel(c, server.Listener.Addr().String(), &tunnels, &seen)
		}
	}()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	d := mobile(t, lwatest.Options{})
	d.sim = sim
	d.reach("https://example.com") // the name in the certificate; no name server knows it here
	through := NewTransport()
	through.TLSClientConfig = &tls.Config{RootCAs: roots}
	d.Transport = through
	_, err = d.Exchange(t.Context(), NewSecret("code-of-nobody"), d.attempt)
	if e := d.failure(err); e.Kind != Spent {
		t.Errorf("through the proxy: %+v; want Amazon's own refusal of a code that is none", e)
	}
	if tunnels.Load() != 1 || seen.Load() != 0 {
		t.Errorf("%d tunnels to Amazon, %d requests that the proxy could read; want one and none", tunnels.Load(), seen.Load())
	}
	l.Close()
	_, err = d.Exchange(t.Context(), NewSecret("code-of-nobody"), d.attempt)
	if e := d.failure(err); e.Kind != Passing || !e.Unsent {
		t.Errorf("without the proxy: %+v; want a passing failure, and nothing sent past it", e)
	}
}

// tunnel is a proxy of one connection (RFC 9110 section 9.3.6).
func tunnel(c net.Conn, server string, tunnels, seen *atomic.Int64) {
	defer c.Close()
	r := bufio.NewReader(c)
	req, err := http.ReadRequest(r)
	if err != nil || req.Method != http.MethodConnect || req.Host != "example.com:443" {
		seen.Add(1)
		return
	}
	to, err := new(net.Dialer).DialContext(context.Background(), "tcp", server)
	if err != nil {
		return
	}
	defer to.Close()
	tunnels.Add(1)
	_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
	go func() { _, _ = io.Copy(to, r) }()
	_, _ = io.Copy(c, to)
}
