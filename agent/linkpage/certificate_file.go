package linkpage

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"
)

// fileCertificate is a certificate somebody else renews: it is read again when
// its file changes. A nil one is none.
type fileCertificate struct {
	certFile, keyFile string

	mu      sync.Mutex
	changed time.Time // of the file that loaded is from
	loaded  *tls.Certificate
}

func (c *fileCertificate) config() *tls.Config {
	if c == nil {
		return nil
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}
}

// get returns the certificate of the files; one that is broken now leaves the
// one before in use.
func (c *fileCertificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	st, err := os.Stat(c.certFile)
	if err == nil && c.loaded != nil && st.ModTime().Equal(c.changed) {
		return c.loaded, nil
	}
	var cert tls.Certificate
	if err == nil {
		cert, err = tls.LoadX509KeyPair(c.certFile, c.keyFile)
	}
	switch {
	case err == nil:
		c.loaded, c.changed = &cert, st.ModTime()
	case c.loaded == nil:
		return nil, certificateError(err)
	}
	return c.loaded, nil
}

func certificateError(err error) error {
	if e, is := errors.AsType[*fs.PathError](err); is {
		return fmt.Errorf("%s: %w", e.Path, e.Err)
	}
	return fmt.Errorf("cert_file and key_file: %w", err)
}

// name is the host name that the certificate is for; "" if it has none that
// can be typed.
func (c *fileCertificate) name() string {
	if c == nil {
		return ""
	}
	cert, err := c.get(nil)
	if err != nil {
		return ""
	}
	for _, name := range cert.Leaf.DNSNames {
		if !strings.Contains(name, "*") {
			return name
		}
	}
	return ""
}

func (c *fileCertificate) covers(host string) bool {
	if c == nil {
		return false
	}
	cert, err := c.get(nil)
	return err == nil && cert.Leaf.VerifyHostname(host) == nil
}
