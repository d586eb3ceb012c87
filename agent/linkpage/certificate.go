package linkpage

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// certificateName is the file in the state directory that keeps the
// certificate for localhost with its key.
const certificateName = "localhost.pem"

// localhostCertificate returns the certificate that this device made for
// localhost, or makes it. A browser warns of it, once for as long as it stays
// the same, so it is kept.
func localhostCertificate(stateDir string) (tls.Certificate, error) {
	path := filepath.Join(stateDir, certificateName)
	text, err := os.ReadFile(path)
	if err == nil {
		if cert, err := tls.X509KeyPair(text, text); err == nil {
			return cert, nil
		}
	}
	text, err = makeCertificate()
	if err != nil {
		return tls.Certificate{}, err
	}
	// Not kept on a disk that is full: then the browser warns again next time.
	if tmp := path + ".tmp"; os.WriteFile(tmp, text, 0o600) == nil {
		_ = os.Rename(tmp, path)
	}
	return tls.X509KeyPair(text, text)
}

func makeCertificate() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	// Its dates suit every clock: this device may not know what day it is, and
	// nobody looks whether it is still good but the person who reads the warning.
	template := x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "lwa-agent on localhost"},
		NotBefore:    time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), // RFC 5280 section 4.1.2.5
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	_ = pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: der}) // a buffer takes everything
	_ = pem.Encode(&text, &pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	return text.Bytes(), nil
}

// fingerprint is how browsers show a certificate's SHA-256.
func fingerprint(cert tls.Certificate) string {
	sum := sha256.Sum256(cert.Certificate[0])
	return strings.ReplaceAll(fmt.Sprintf("% X", sum), " ", ":")
}
