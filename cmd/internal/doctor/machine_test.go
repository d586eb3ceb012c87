package doctor_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"lwa-agent/lwa/lwatest"
)

// inMachine runs the rest of a test again with a network of its own, in which
// there is nothing but the loopback interface, and with mounts of its own: /etc
// can be written to, and nobody else sees it.
func inMachine(t *testing.T) bool {
	t.Helper()
	const mark = "DOCTOR_TEST_MACHINE"
	if dir := os.Getenv(mark); dir != "" {
		run(t, "ip", "link", "set", "lo", "up")
		run(t, "ip", "address", "add", amazonAddress+"/32", "dev", "lo")
		run(t, "mount", "--make-rprivate", "/")
		run(t, "mount", "-t", "tmpfs", "tmpfs", dir)
		for _, d := range []string{"upper", "work"} {
			if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		run(t, "mount", "-t", "overlay", "overlay", "-o", "lowerdir=/etc,upperdir="+dir+"/upper,workdir="+dir+"/work", "/etc")
		return true
	}
	if os.Geteuid() != 0 {
		missing(t, "only root can make a machine")
	}
	for _, tool := range []string{"ip", "mount"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing(t, tool+" is missing: apt-get install iproute2 mount")
		}
	}
	t.Parallel()
	dir := t.TempDir()
	roots, key := filepath.Join(dir, "roots.pem"), filepath.Join(dir, "key.pem")
	makeAuthority(t, roots, key)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^"+t.Name()+"$", "-test.v")
	machine := t.TempDir()
	cmd.Env = append(os.Environ(), mark+"="+machine, "SSL_CERT_FILE="+roots, "DOCTOR_TEST_KEY="+key, "GODEBUG=netdns=go", "GORACE=atexit_sleep_ms=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("in a machine of its own: %v\n%s", err, out)
	}
	return false
}

// missing skips a test for want of something, but not where all must be there.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip("SKIPPED, NOT TESTED: " + what)
}

func run(t *testing.T, command ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", command, err, out)
	}
}

const (
	amazonAddress = "192.0.2.10" // RFC 5737
	amazonHost    = "api.amazon.com"
)

func makeAuthority(t *testing.T, roots, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := authority()
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{roots: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func authority() *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: time.Now().AddDate(9, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
}

// amazonHere puts the simulated Amazon where the name server says that it is, with
// a certificate of the machine's authority.
func (w *ward) amazonHere(name string, from time.Time) {
	w.Helper()
	text, err := os.ReadFile(os.Getenv("DOCTOR_TEST_KEY"))
	if err != nil {
		w.Fatal(err)
	}
	block, _ := pem.Decode(text)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		w.Fatal(err)
	}
	signer := key.(*ecdsa.PrivateKey)
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: []string{name}, NotBefore: from, NotAfter: from.AddDate(0, 6, 0)}
	der, err := x509.CreateCertificate(rand.Reader, leaf, authority(), signer.Public(), signer)
	if err != nil {
		w.Fatal(err)
	}
	server := &httptest.Server{Listener: w.listen(":443"), Config: &http.Server{Handler: w.sim, ErrorLog: silent()}}
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: signer}}}
	server.StartTLS()
	w.Cleanup(server.Close)
}

func (w *ward) listen(port string) net.Listener {
	w.Helper()
	l, err := net.Listen("tcp", amazonAddress+port)
	if err != nil {
		w.Fatal(err)
	}
	return l
}

// portalHere answers on port 80.
func (w *ward) portalHere(handler http.HandlerFunc) {
	server := &http.Server{Handler: handler}
	l := w.listen(":80")
	go server.Serve(l)
	w.Cleanup(func() { server.Close() })
}

// names answers each question for a name (RFC 1035): with the address, with "no
// such name" for none, or not at all.
func (w *ward) names(address string, answers bool) {
	w.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:53")
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { c.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			if answers {
				_, _ = c.WriteTo(answerName(buf[:n], address), from)
			}
		}
	}()
}

func answerName(query []byte, address string) []byte {
	end := 12
	for end < len(query) && query[end] != 0 {
		end += int(query[end]) + 1
	}
	end += 5 // the root, type and class
	answer := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, query[12:end]...)
	switch {
	case address == "":
		answer[3] = 0x83 // no such name
	case binary.BigEndian.Uint16(query[end-4:]) == 1:
		ip := netip.MustParseAddr(address).As4()
		answer[7] = 1
		answer = append(answer, 0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4)
		answer = append(answer, ip[:]...)
	}
	return answer
}

// atAmazon is a ward whose Amazon is called as the real one.
func atAmazon(t *testing.T) *ward {
	t.Helper()
	if err := os.WriteFile("/etc/resolv.conf", []byte("nameserver 127.0.0.1\noptions timeout:5 attempts:1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	w := newWard(t, lwatest.Options{})
	w.edit = func(string) string {
		return "client_id = \"" + lwatest.DeviceClientID + "\"\nstate_dir = \"" + w.path("state") + "\"\nruntime_dir = \"" + w.path("run") + "\"\n"
	}
	w.configure()
	return w
}
