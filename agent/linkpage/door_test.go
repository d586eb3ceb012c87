package linkpage

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"lwa-agent/agent"
)

func TestPortThatIsTakenIsSaidAndTriedAgain(t *testing.T) {
	port := freePort(t)
	taken := "127.0.0.1:" + port
	other, err := net.Listen("tcp", taken)
	must(t, err)

	d := newLANDoor(Config{Listen: taken}, newSite(nil))
	defer d.close()
	d.look()
	if d.address() != "" || !strings.Contains(d.trouble.Message, "address already in use") || !strings.Contains(d.trouble.Hint, "[link_page]") {
		t.Errorf("address %q, trouble %+v; want none, and why", d.address(), d.trouble)
	}
	l := newLoopbackDoor(Config{RedirectURI: "https://localhost:" + port + "/authresponse", StateDir: t.TempDir()}, newSite(nil))
	defer l.close()
	l.look()
	if st := l.status(); !strings.Contains(st.Error, "address already in use") || !strings.Contains(st.Error, "redirect_uri") {
		t.Errorf("the listener for the redirect: %+v; want why there is none", st)
	}
	must(t, other.Close())
	if d.look(); d.address() != "HTTP://127.0.0.1:"+port+"/"+d.site.token || d.trouble != (agent.Problem{}) {
		t.Errorf("the port is free: address %q, trouble %+v", d.address(), d.trouble)
	}
	d.close()
	if l.look(); l.status().Error != "" {
		t.Errorf("the port is free: %+v", l.status())
	}
}

func TestTakenPortStandsInTheStatusAndHoldsUpNothing(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer other.Close()
	h := open(t, options{
		redirect: strings.Replace("http://"+other.Addr().String()+"/authresponse", "127.0.0.1", "localhost", 1),
		change:   func(cfg *Config) { cfg.Listen = other.Addr().String() },
	})
	st := h.await("both troubles", func(st agent.Status) bool {
		return st.LastError != nil && st.LastError.Code == "link_page" && st.Loopback != nil && st.Loopback.Error != "" && st.AuthorizeURL != ""
	})
	if st.LinkPage != "" {
		t.Errorf("the status shows a page at %s, which is another program's", st.LinkPage)
	}
	if p := h.agent.HandIn(t.Context(), h.signIn(st.AuthorizeURL), false); p != nil {
		t.Fatalf("%+v", p)
	}
	h.linked()
}

func TestAddressesAreWrittenAsBrowsersTakeThem(t *testing.T) {
	for _, c := range []struct{ host, port, want string }{
		{"192.168.1.20", "9744", "HTTP://192.168.1.20:9744/"},
		{"192.168.1.20", "80", "HTTP://192.168.1.20/"},
		{"radio.local", "9744", "HTTP://RADIO.LOCAL:9744/"},
		{"fd00::7", "9744", "HTTP://[FD00::7]:9744/"},
		{"fd00::7", "80", "HTTP://[FD00::7]/"},
		{"", "9744", ""},
	} {
		d := &lanDoor{site: newSite(nil), server: &http.Server{}, host: c.host, port: c.port}
		want := c.want
		if want != "" {
			want += d.site.token
		}
		if got := d.address(); got != want {
			t.Errorf("%s, port %s: %q, want %q", c.host, c.port, got, want)
		}
	}
}

func TestAddressThatIsListenedOnIsTheOneThatIsShown(t *testing.T) {
	for listen, want := range map[string]string{"192.168.7.7:9744": "192.168.7.7", "[fd00::7]:9744": "fd00::7"} {
		d := newLANDoor(Config{Listen: listen}, nil)
		if got := d.reachedAs(); got != want || !d.mayBeCalled(got) {
			t.Errorf("listening on %s, reached as %q (may be called so: %t), want %q", listen, got, d.mayBeCalled(got), want)
		}
	}
	for _, listen := range []string{":9744", "0.0.0.0:9744", "[::]:9744"} {
		got := newLANDoor(Config{Listen: listen}, nil).reachedAs()
		if a, err := netip.ParseAddr(got); got != "" && (err == nil && (a.IsLoopback() || a.IsUnspecified() || a.IsLinkLocalUnicast())) {
			t.Errorf("listening on %s, reached as %q, which no phone can open", listen, got)
		}
	}
}

func TestBrowserWithoutAHostIsRefused(t *testing.T) {
	for _, listen := range []string{":9744", "192.168.7.7:9744"} {
		if newLANDoor(Config{Listen: listen}, nil).mayBeCalled("") {
			t.Errorf("listening on %s: a request that names nobody gets in", listen)
		}
	}
}

func TestNameThatIsAnnouncedIsAskedFor(t *testing.T) {
	socket := filepath.Join(shortDir(t), "s")
	l, err := net.Listen("unix", socket)
	must(t, err)
	defer l.Close()
	answers := make(chan string, 1)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			question, _ := bufio.NewReader(c).ReadString('\n')
			if question != "RESOLVE-ADDRESS fd00::7\n" {
				t.Errorf("asked %q", question)
			}
			fmt.Fprintln(c, <-answers)
			c.Close()
		}
	}()
	for answer, want := range map[string]string{
		"+ 2 1 radio.local":       "radio.local",
		"+ 2 1 evil.example":      "",
		"+ 2 1 a/b.local":         "",
		"-15 Timeout reached":     "",
		"+ 2 1 radio.local extra": "",
		"":                        "",
	} {
		answers <- answer
		if got := localName(t.Context(), socket, netip.MustParseAddr("fd00::7")); got != want {
			t.Errorf("answer %q gives %q, want %q", answer, got, want)
		}
	}
	if got := localName(t.Context(), socket+"-absent", netip.MustParseAddr("fd00::7")); got != "" {
		t.Errorf("without avahi %q", got)
	}
}

// shortDir is a directory whose sockets have addresses of few bytes.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "lwa")
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	return dir
}

func TestCertificateForLocalhostIsMadeOnceAndKept(t *testing.T) {
	dir := t.TempDir()
	first, err := localhostCertificate(dir)
	must(t, err)
	again, err := localhostCertificate(dir)
	must(t, err)
	if fingerprint(first) != fingerprint(again) || len(fingerprint(first)) != 95 {
		t.Errorf("fingerprints %s and %s: the browser would warn again each time", fingerprint(first), fingerprint(again))
	}
	path := filepath.Join(dir, certificateName)
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v (%v), want 600: the key is in it", st.Mode(), err)
	}
	for _, host := range []string{"localhost", "127.0.0.1", "::1"} {
		if err := first.Leaf.VerifyHostname(host); err != nil {
			t.Error(err)
		}
	}
	must(t, os.WriteFile(path, []byte("damaged"), 0o600))
	if _, err := localhostCertificate(dir); err != nil {
		t.Errorf("damaged: %v; want a new one", err)
	}
	if _, err := localhostCertificate(filepath.Join(dir, "absent")); err != nil {
		t.Errorf("no room to keep it: %v; want one for this time", err)
	}
}

// makeFor writes a certificate for a name, as somebody who renews one does.
func makeFor(t *testing.T, name, certFile, keyFile string, when time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: []string{"*.example", name}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	must(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	must(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	must(t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	must(t, os.Chtimes(certFile, when, when))
}

func TestCertificateOfFilesIsFollowed(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	d := newLANDoor(Config{Listen: "127.0.0.1:0", CertFile: cert, KeyFile: key}, newSite(nil))
	defer d.close()
	d.look()
	if d.address() != "" || !strings.Contains(d.trouble.Message, "cert.pem: no such file") {
		t.Errorf("no file: address %q, %+v", d.address(), d.trouble)
	}
	makeFor(t, "radio.example", cert, key, time.Now())
	d.look()
	if want := "HTTPS://RADIO.EXAMPLE:"; !strings.HasPrefix(d.address(), want) || d.trouble.Code != "" {
		t.Fatalf("address %q, trouble %+v, want %s…", d.address(), d.trouble, want)
	}
	served := func() string {
		c, err := tls.Dial("tcp", "127.0.0.1:"+d.port, &tls.Config{InsecureSkipVerify: true})
		must(t, err)
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].DNSNames[1]
	}
	if got := served(); got != "radio.example" {
		t.Errorf("served %s", got)
	}
	makeFor(t, "speaker.example", cert, key, time.Now().Add(time.Hour))
	if got := served(); got != "speaker.example" {
		t.Errorf("after it was renewed: served %s", got)
	}
	if d.look(); !strings.HasPrefix(d.address(), "HTTPS://SPEAKER.EXAMPLE:") {
		t.Errorf("after it was renewed: %s", d.address())
	}
	must(t, os.WriteFile(cert, []byte("half of"), 0o600))
	if got := served(); got != "speaker.example" {
		t.Errorf("while it is being written: served %s, want the one before", got)
	}
	if !d.mayBeCalled("speaker.example") || !d.mayBeCalled("a.example") || d.mayBeCalled("evil.invalid") {
		t.Error("the names of the certificate are ours, and no others")
	}
}

func TestStrangersCannotKeepThePersonOut(t *testing.T) {
	h := open(t, options{})
	page := address(h.offered())
	target := mustParse(t, page).Host
	before := heap()
	for range 10_000 { // says nothing, and stays
		c, err := net.Dial("tcp", target)
		must(t, err)
		defer c.Close()
	}
	for range 20 { // says something, slowly
		c, err := net.Dial("tcp", target)
		must(t, err)
		defer c.Close()
		_, _ = c.Write([]byte("GET / HTTP/1.1\r\nHost: "))
	}
	for range 20 { // has a body that never ends
		c, err := net.Dial("tcp", target)
		must(t, err)
		defer c.Close()
		_, _ = c.Write([]byte("POST " + mustParse(t, page).Path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 9000\r\n\r\naddress="))
	}
	if grown := int64(heap()) - int64(before); grown > 16<<20 {
		t.Errorf("10,040 connections take %d MiB", grown>>20)
	}
	phone := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}} // another machine
		return d.DialContext(ctx, network, address)
	}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, page, nil)
	must(t, err)
	began := time.Now()
	resp, err := phone.RoundTrip(r)
	must(t, err)
	defer resp.Body.Close()
	if resp.StatusCode != 200 || time.Since(began) > 3*time.Second {
		t.Errorf("the person's phone: %s after %v", resp.Status, time.Since(began))
	}
	began = time.Now()
	if p := h.agent.HandIn(t.Context(), h.signIn(h.page.site.currentStatus().AuthorizeURL), false); p != nil {
		t.Fatalf("%+v", p)
	}
	h.linked()
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("linking took %v meanwhile: strangers hold the core up", took)
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}
