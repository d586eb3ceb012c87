package agent

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// storeKey encrypts the record at rest. Where the key itself is kept is not its
// business: systemd hands it over as a credential, and a card or disk without it
// is of no use to who took it.
//
// What it does not do: bind a record to its device, since a key that a TPM holds
// does so already, and one that does not is copied with the record; or keep an
// old record from being put in the place of a newer one, which needs a counter
// that no file can be.
type storeKey struct {
	aead cipher.AEAD
	id   string
}

const (
	storeKeySize = 32 // bytes, for AES-256

	// A sealed record is version 2, so that an agent that knows no encryption
	// takes it for newer than itself and lets it be.
	sealedVersion = 2
	sealedCipher  = "AES-256-GCM"
)

var (
	// errStoreKey is a key that is given and cannot be used. Nothing is written
	// then: who wants a link encrypted must not find it in plain text because of
	// a mistake.
	errStoreKey = errors.New("the store-key cannot be used")
	// errUndecryptable is what a keyMissing is.
	errUndecryptable = errors.New("encrypted with a key that is not there")
)

// readStoreKey reads the key from a file, which may be missing: then there is
// none. Errors wrap errStoreKey.
func readStoreKey(path string) (*storeKey, error) {
	text, err := os.ReadFile(path)
	switch {
	case path == "", errors.Is(err, fs.ErrNotExist):
		return nil, nil //nolint:nilnil // no key is a usual case, and everything on it says so
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errStoreKey, err)
	case len(text) != storeKeySize:
		return nil, fmt.Errorf("%w: it has %d bytes in place of %d", errStoreKey, len(text), storeKeySize)
	}
	return newStoreKey(text)
}

func newStoreKey(key []byte) (*storeKey, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errStoreKey, err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errStoreKey, err)
	}
	sum := sha256.Sum256(append([]byte("lwa-agent store-key id\n"), key...))
	return &storeKey{aead, hex.EncodeToString(sum[:8])}, nil
}

// sealedFile is the outer form of an encrypted record; the checksum's line
// follows as with any other, so that a worn card is told from a wrong key.
type sealedFile struct {
	Version int    `json:"version"`
	Cipher  string `json:"cipher"`
	KeyID   string `json:"key_id"` // names the key and tells nothing of it
	Linked  bool   `json:"linked"` // there is a link in it, worth to be kept until its key comes back
	Sealed  []byte `json:"sealed"` // nonce, the plain form's JSON, tag
}

// heading is what the tag covers beside the text: what the file is and all of
// its outer form, so that none of it can be passed off as another.
func (f sealedFile) heading() []byte {
	return fmt.Appendf(nil, "lwa-agent record\nversion %d\ncipher %s\nkey %s\nlinked %t\n", f.Version, f.Cipher, f.KeyID, f.Linked)
}

// seal returns the encrypted form of a record. A nonce is random: with a save an
// hour, 96 bits do not repeat.
func (k *storeKey) seal(r record, generation uint64) []byte {
	plain, _ := checkedBody(encodeRecord(r, generation)) // which made the checksum
	f := sealedFile{Version: sealedVersion, Cipher: sealedCipher, KeyID: k.id, Linked: r.hasLink()}
	f.Sealed = k.aead.Seal(nil, nil, plain, f.heading())
	return withChecksum(f)
}

// decode reads a record in either form. Beside decodeRecord's errors there is
// *keyMissing.
func (k *storeKey) decode(text []byte) (record, uint64, error) {
	body, err := checkedBody(text)
	if err != nil {
		return record{}, 0, err
	}
	var f sealedFile
	err = json.Unmarshal(body, &f)
	if err == nil && f.Cipher != "" && f.Version < sealedVersion {
		return record{}, 0, fmt.Errorf("encrypted in a version that was never so: %w", errCorrupt) // not an empty record of that version
	}
	if err != nil || f.Version != sealedVersion || f.Cipher != sealedCipher {
		return decodeBody(body)
	}
	if !isKeyID(f.KeyID) {
		return record{}, 0, fmt.Errorf("key id: %w", errCorrupt)
	}
	if k == nil || k.id != f.KeyID {
		return record{}, 0, k.missing(f.KeyID, f.Linked)
	}
	plain, err := k.aead.Open(nil, nil, f.Sealed, f.heading())
	if err != nil {
		return record{}, 0, fmt.Errorf("authentication: %w", errCorrupt)
	}
	return decodeBody(plain)
}

// keyMissing is a record under a key that is not there.
type keyMissing struct {
	id, have string // have is empty where there is no key at all
	linked   bool
}

func (k *storeKey) missing(id string, linked bool) *keyMissing {
	if k == nil {
		return &keyMissing{id, "", linked}
	}
	return &keyMissing{id, k.id, linked}
}

func (e *keyMissing) Error() string {
	if e.have == "" {
		return fmt.Sprintf("encrypted with the key %s, and there is no credential store-key", e.id)
	}
	return fmt.Sprintf("encrypted with the key %s, and the credential store-key is %s", e.id, e.have)
}

func (*keyMissing) Is(target error) bool { return target == errUndecryptable }

// isKeyID reports whether a text can be in a file's name.
func isKeyID(id string) bool {
	return len(id) == 16 && strings.Trim(id, "0123456789abcdef") == ""
}
