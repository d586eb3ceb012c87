package lwatest

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"
)

// Kind is what a request asks for.
type Kind string

// The kinds of requests. Unsent is a request of which no byte went out.
const (
	Authorize   Kind = "authorize"
	Consent     Kind = "consent"
	Exchange    Kind = "exchange"
	Refresh     Kind = "refresh"
	CodePair    Kind = "codepair"
	Poll        Kind = "poll"
	PairPage    Kind = "pair page"
	PairConsent Kind = "pair consent"
	Profile     Kind = "profile"
	TokenInfo   Kind = "tokeninfo"
	Other       Kind = "other"
	Unsent      Kind = "unsent"
)

// A Request is one that arrived, in order of arrival. Tokens and codes are
// shown as Hash gives them, never themselves.
type Request struct {
	Kind     Kind
	At       time.Time // by Options.Now
	ClientID string
	Code     string // hash of the code or device code that was sent
	Token    string // hash of the refresh or access token that was sent
	Access   string // hash of the access token that was made, answered or not
	Refresh  string // hash of the refresh token that goes with it
	Status   int    // 0 while there is no answer, or where none was given
	Fault    string // the name of the fault that struck
}

// Hash returns the first 16 bytes of a SHA-256 in hexadecimal, and nothing for
// nothing.
func Hash(text string) string {
	if text == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}

// Requests returns what has arrived so far.
func (s *Sim) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Request, len(s.requests))
	for i, r := range s.requests {
		out[i] = *r
	}
	return out
}

// NewestToken returns the hash of the access token that was made last, whether
// its answer arrived or not; empty before there is one.
func (s *Sim) NewestToken() string {
	for _, r := range slices.Backward(s.Requests()) {
		if r.Access != "" {
			return r.Access
		}
	}
	return ""
}

// Count returns how many requests of the given kinds have arrived; of all kinds
// but Unsent, if none is given.
func (s *Sim) Count(kinds ...Kind) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, r := range s.requests {
		if slices.Contains(kinds, r.Kind) || len(kinds) == 0 && r.Kind != Unsent {
			n++
		}
	}
	return n
}

// Violations returns, in order, what was sent against the protocol: whatever is
// a mistake of the client's program, not of its configuration or of a person.
// It holds no secrets.
func (s *Sim) Violations() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.violations)
}

// CodesSentTwice returns the hashes of the authorization codes that arrived in
// more than one request, even where the first one failed: who sends a code
// again after bytes went out cannot know that it is unspent.
func (s *Sim) CodesSentTwice() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var twice []string
	for hash, n := range s.codesSent {
		if n > 1 {
			twice = append(twice, hash)
		}
	}
	slices.Sort(twice)
	return twice
}

// note records the secrets of a request, before any fault strikes.
func (s *Sim) note(in incoming, rec *Request) {
	switch in.kind {
	case Exchange:
		rec.Code = Hash(in.form.get("code"))
		if rec.Code == "" {
			return
		}
		s.codesSent[rec.Code]++
		if s.codesSent[rec.Code] == 2 {
			s.violation("code %s was sent twice", rec.Code)
		}
	case Refresh:
		rec.Token = Hash(in.form.get("refresh_token"))
	case Poll:
		rec.Code = Hash(in.form.get("device_code"))
	case TokenInfo:
		rec.Token = Hash(in.form.get("access_token"))
	case Profile:
		rec.Token = Hash(in.bearer())
	case Authorize, Consent, CodePair, PairPage, PairConsent, Other, Unsent:
	}
}
