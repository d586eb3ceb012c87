package lwa

import (
	"errors"
	"strings"
	"sync"
)

// sealedBody is a request body that knows whether any of it was read. A body
// that nobody read cannot have been sent; after seal nobody can read it, so
// the answer stays true although a transport may still hold it.
type sealedBody struct {
	text   *strings.Reader
	mu     sync.Mutex
	read   bool
	sealed bool
}

var errSealed = errors.New("the call is over")

func (b *sealedBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sealed {
		return 0, errSealed
	}
	b.read = true
	return b.text.Read(p)
}

func (b *sealedBody) Close() error { return nil }

func (b *sealedBody) seal() (sent bool) {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sealed = true
	return b.read
}
