package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"lwa-agent/lwa/lwatest"
)

// amazon is the simulated Amazon of one device, reached by loopback.
type amazon struct {
	*lwatest.Sim
	url    string // without a slash at the end
	server *http.Server

	// posts tells when a request arrived at the token endpoint: its header, on
	// this process's monotonic clock. Who reads late misses some.
	posts chan time.Time
}

// openAmazon starts a simulator; with an authority it is reached by TLS.
func openAmazon(ctx context.Context, o lwatest.Options, by *authority) (*amazon, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("the simulated Amazon finds no port: %w", err)
	}
	a := &amazon{Sim: lwatest.New(o), posts: make(chan time.Time, 64)}
	a.server = &http.Server{
		Handler: a, ReadHeaderTimeout: 10 * time.Second,
		ErrorLog: log.New(io.Discard, "", 0), // agents are killed in the midst of it
	}
	if by == nil {
		a.url = "http://" + listener.Addr().String()
	} else {
		a.url = "https://" + listener.Addr().String()
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{by.certificate}, MinVersion: tls.VersionTLS12})
	}
	go func() { _ = a.server.Serve(listener) }() // ends with close
	return a, nil
}

func (a *amazon) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/token") {
		select {
		case a.posts <- time.Now():
		default:
		}
	}
	a.Sim.ServeHTTP(w, r)
}

// objections is an error if a careful server would object to what it was sent:
// figures of an agent that works wrongly are worth nothing.
func (a *amazon) objections() error {
	if all := a.Violations(); len(all) > 0 {
		return errors.New("the simulated Amazon objects: " + strings.Join(all, "; "))
	}
	return nil
}

func (a *amazon) close() { _ = a.server.Close() }

// authority is a certificate for the simulators, and a file of authorities for
// the agent that holds it beside those of this machine: as many as a device
// reads for its first call.
type authority struct {
	certificate tls.Certificate
	file        string
	others      bool // file holds this machine's as well
}

// systemAuthorities is where Debian keeps them.
const systemAuthorities = "/etc/ssl/certs/ca-certificates.crt"

func newAuthority(file string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "lwa-bench"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(systemAuthorities)
	others := err == nil
	text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, err
	}
	return &authority{tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file, others}, nil
}
