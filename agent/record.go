package agent

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"lwa-agent/lwa"
)

const (
	recordVersion = 1

	// Hashes of tried codes that are kept. A code lives for 5 minutes and at
	// most 10 are sent in 10 minutes, so this is days of misuse.
	keptCodes = 256
)

// record is all that the agent keeps on disk, in one file, so that one rename
// changes all of it or nothing.
type record struct {
	Link      link // in use, or revoked, or of another client
	Candidate link // from code-based linking, until a first refresh proves it
	Attempts  [2]lwa.Attempt
	Pair      pair
	Relinking bool     // a new link is offered although Link is in use
	Codes     []string // hashes of the codes that were sent, newest last
	// ConfigCode is the hash of the last code tried from config.toml. It stays
	// there for years, so it must not be pushed out of Codes.
	ConfigCode string
}

// link is an account's permission.
type link struct {
	ClientID      string
	TokenEndpoint string
	Refresh       lwa.Secret
	Scopes        string
	Account       string
	Since         time.Time // for people to read
	Board         string    // BoardID of the device it was made on; empty: unknown
	Revoked       bool      // Amazon refused it; kept in case that was a mistake
}

func (l link) isZero() bool { return l.Refresh.IsZero() }

// sameGrant reports whether both come from the same sign-in of a person: a
// refresh token may have been replaced by another since.
func (l link) sameGrant(other link) bool {
	return !l.isZero() && !other.isZero() && l.ClientID == other.ClientID && l.TokenEndpoint == other.TokenEndpoint && l.Since.Equal(other.Since)
}

// pair is a live code pair. Its end is in uptime of the boot it was made in.
type pair struct {
	lwa.Pair
	BootID  string
	MadeFor string // settings.pairKey
	Expires time.Duration
}

func (p pair) isZero() bool { return p.DeviceCode.IsZero() }

func (r record) hasLink() bool { return !r.Link.isZero() || !r.Candidate.isZero() }

// isZero reports whether there is nothing that a save would keep.
func (r record) isZero() bool {
	return !r.hasLink() && r.Attempts[0].State == "" && r.Pair.isZero() && len(r.Codes) == 0 && r.ConfigCode == ""
}

func (r record) tried(hash string) bool {
	return hash == r.ConfigCode || slices.Contains(r.Codes, hash)
}

// withCode returns the record with the hash among the tried ones. It copies:
// a record handed to the store must not change under it.
func (r record) withCode(hash string) record {
	r.Codes = append(slices.Clone(r.Codes), hash)
	r.Codes = r.Codes[max(0, len(r.Codes)-keptCodes):]
	return r
}

// withAttempt returns the record with a new attempt, and the one before it
// still accepted.
func (r record) withAttempt(a lwa.Attempt) record {
	if r.Attempts[0].State != "" {
		r.Attempts[1] = r.Attempts[0]
	}
	r.Attempts[0] = a
	return r
}

func (r record) withoutCode(hash string) record {
	r.Codes = slices.DeleteFunc(slices.Clone(r.Codes), func(h string) bool { return h == hash })
	return r
}

// The file's form: JSON with the secrets in clear, then a line with the JSON's
// SHA-256. It is apart from record so that no secret is written by accident.
type recordFile struct {
	Version    int           `json:"version"`
	Generation uint64        `json:"generation"`
	Link       *linkFile     `json:"link,omitempty"`
	Candidate  *linkFile     `json:"candidate,omitempty"`
	Attempts   []attemptFile `json:"attempts,omitempty"`
	Pair       *pairFile     `json:"pair,omitempty"`
	Relinking  bool          `json:"relinking,omitempty"`
	Codes      []string      `json:"codes,omitempty"`
	ConfigCode string        `json:"config_code,omitempty"`
}

type linkFile struct {
	ClientID      string    `json:"client_id"`
	TokenEndpoint string    `json:"token_endpoint"`
	Refresh       string    `json:"refresh_token"`
	Scopes        string    `json:"scopes,omitempty"`
	Account       string    `json:"account,omitempty"`
	Since         time.Time `json:"since"`
	Board         string    `json:"board,omitempty"`
	Revoked       bool      `json:"revoked,omitempty"`
}

type attemptFile struct {
	State       string `json:"state"`
	Verifier    string `json:"code_verifier"`
	RedirectURI string `json:"redirect_uri"`
}

type pairFile struct {
	DeviceCode      string        `json:"device_code"`
	UserCode        string        `json:"user_code"`
	VerificationURI string        `json:"verification_uri"`
	Interval        time.Duration `json:"interval_ns"`
	Life            time.Duration `json:"life_ns"`
	BootID          string        `json:"boot_id"`
	MadeFor         string        `json:"made_for"`
	Expires         time.Duration `json:"expires_uptime_ns"`
}

func encodeRecord(r record, generation uint64) []byte {
	f := recordFile{
		Version: recordVersion, Generation: generation,
		Link: toLinkFile(r.Link), Candidate: toLinkFile(r.Candidate),
		Relinking: r.Relinking, Codes: r.Codes, ConfigCode: r.ConfigCode,
	}
	for _, a := range r.Attempts {
		if a.State != "" {
			f.Attempts = append(f.Attempts, attemptFile{a.State, a.Verifier.Reveal(), a.RedirectURI})
		}
	}
	if p := r.Pair; !p.isZero() {
		f.Pair = &pairFile{p.DeviceCode.Reveal(), p.UserCode, p.VerificationURI, p.Interval, p.Life, p.BootID, p.MadeFor, p.Expires}
	}
	return withChecksum(f)
}

func withChecksum(file any) []byte {
	text, _ := json.Marshal(file) // only texts, numbers and times of this century: cannot fail
	return fmt.Appendf(nil, "%s\nsha256 %s\n", text, checksum(text))
}

var errCorrupt = errors.New("damaged")

// errNewer is a record of a version of lwa-agent that is newer than this one.
var errNewer = errors.New("written by a newer lwa-agent")

// decodeRecord returns an error that wraps errCorrupt or errNewer, and never a
// part of a record.
func decodeRecord(text []byte) (record, uint64, error) {
	body, err := checkedBody(text)
	if err != nil {
		return record{}, 0, err
	}
	return decodeBody(body)
}

func checkedBody(text []byte) ([]byte, error) {
	body, sum, found := bytes.Cut(text, []byte("\nsha256 "))
	if !found || string(bytes.TrimSuffix(sum, []byte("\n"))) != checksum(body) {
		return nil, fmt.Errorf("checksum: %w", errCorrupt)
	}
	return body, nil
}

func decodeBody(body []byte) (record, uint64, error) {
	var f recordFile
	if err := json.Unmarshal(body, &f); err != nil {
		return record{}, 0, fmt.Errorf("%w: %w", errCorrupt, err)
	}
	if f.Version > recordVersion {
		return record{}, 0, fmt.Errorf("version %d: %w", f.Version, errNewer)
	}
	if f.Version < 1 || len(f.Attempts) > 2 {
		return record{}, 0, fmt.Errorf("version %d: %w", f.Version, errCorrupt)
	}
	r := record{
		Link: fromLinkFile(f.Link), Candidate: fromLinkFile(f.Candidate),
		Relinking: f.Relinking, Codes: f.Codes, ConfigCode: f.ConfigCode,
	}
	for i, a := range f.Attempts {
		r.Attempts[i] = lwa.Attempt{State: a.State, Verifier: lwa.NewSecret(a.Verifier), RedirectURI: a.RedirectURI}
	}
	if p := f.Pair; p != nil {
		r.Pair = pair{
			Pair: lwa.Pair{
				DeviceCode: lwa.NewSecret(p.DeviceCode), UserCode: p.UserCode, VerificationURI: p.VerificationURI,
				Interval: p.Interval, Life: p.Life,
			},
			BootID: p.BootID, MadeFor: p.MadeFor, Expires: p.Expires,
		}
	}
	return r, f.Generation, nil
}

func toLinkFile(l link) *linkFile {
	if l.isZero() {
		return nil
	}
	return &linkFile{l.ClientID, l.TokenEndpoint, l.Refresh.Reveal(), l.Scopes, l.Account, l.Since, l.Board, l.Revoked}
}

func fromLinkFile(f *linkFile) link {
	if f == nil {
		return link{}
	}
	return link{f.ClientID, f.TokenEndpoint, lwa.NewSecret(f.Refresh), f.Scopes, f.Account, f.Since, f.Board, f.Revoked}
}

func checksum(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
