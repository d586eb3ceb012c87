package lwatest

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// pair is one offer of code-based linking.
type pair struct {
	grant
	userCode string
	product  alexaProduct
	made     time.Time
	polled   time.Time     // zero before the first poll
	interval time.Duration // insisted on where polling is strict
	state    pairState
}

type pairState int

const (
	pairWaiting pairState = iota
	pairAllowed
	pairDenied
	pairExpired
	pairUsed
)

func (s *Sim) stateOf(p *pair) pairState {
	if p.state != pairUsed && s.opts.Now().Sub(p.made) >= s.opts.PairLife {
		return pairExpired
	}
	return p.state
}

type codePairAnswer struct {
	DeviceCode      string `json:"device_code"`
	ExpiresIn       int64  `json:"expires_in"`
	Interval        int64  `json:"interval"`
	UserCode        string `json:"user_code"`
	VerificationURI string `json:"verification_uri"`
}

func (s *Sim) codePair(in incoming) answer {
	f := in.form
	if f.has("client_secret") {
		s.violation("code pair request with client_secret, where none belongs")
	}
	if f.get("response_type") != "device_code" {
		s.violation("code pair request with response_type %q, not device_code", f.get("response_type"))
		return *refuse(invalid("response_type"))
	}
	client, ok := s.clients[f.get("client_id")]
	if !ok {
		return *refuse(BadClientID)
	}
	product, wrong := s.checkScopes(f)
	if wrong != nil {
		return *refuse(refusal{status: http.StatusBadRequest, Error: wrong.word, Description: wrong.description})
	}
	scopes := f.get("scope")
	if s.opts.GrantedScopes != "" {
		scopes = s.opts.GrantedScopes
	}
	deviceCode := uuid()
	p := &pair{
		grant:    grant{clientID: client.ID, scopes: scopes, link: &link{}},
		userCode: s.freshUserCode(),
		product:  product,
		made:     s.opts.Now(),
		interval: s.opts.PairInterval,
	}
	s.pairs[Hash(deviceCode)] = p
	return jsonAnswer(http.StatusOK, codePairAnswer{
		DeviceCode:      deviceCode,
		ExpiresIn:       int64(s.opts.PairLife / time.Second),
		Interval:        int64(s.opts.PairInterval / time.Second),
		UserCode:        p.userCode,
		VerificationURI: s.origin(in) + "/us/code",
	})
}

// origin is where a person finds this server's pages.
func (s *Sim) origin(in incoming) string {
	switch {
	case s.opts.BaseURL != "":
		return strings.TrimSuffix(s.opts.BaseURL, "/")
	case strings.HasPrefix(in.host, "api.amazon.") || strings.HasPrefix(in.host, "www.amazon."):
		return "https://amazon.com"
	}
	return in.scheme + "://" + in.host
}

func (s *Sim) freshUserCode() string {
	for {
		text := randomOf("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", 6)
		if s.waiting(text) == nil {
			return text
		}
	}
}

// waiting returns the pair that a person's code stands for, written as people
// write codes.
func (s *Sim) waiting(userCode string) *pair {
	text := strings.ToUpper(strings.Join(strings.Fields(userCode), ""))
	for _, p := range s.pairs {
		if p.userCode == text && s.stateOf(p) == pairWaiting {
			return p
		}
	}
	return nil
}

func (s *Sim) poll(f form, rec *Request) answer {
	for _, name := range []string{"client_id", "client_secret"} {
		if f.has(name) {
			s.violation("poll with %s, where none belongs", name)
		}
	}
	if f.get("grant_type") != "device_code" {
		s.violation("poll with grant_type %q; Amazon's is the bare word device_code", f.get("grant_type"))
		return *refuse(Unsupported)
	}
	for _, name := range []string{"device_code", "user_code"} {
		if f.get(name) == "" {
			s.violation("poll without %s", name)
			return *refuse(missing(name))
		}
	}
	p := s.pairs[Hash(f.get("device_code"))]
	if p == nil {
		return *refuse(InvalidCodePair)
	}
	rec.ClientID = p.clientID
	if p.userCode != f.get("user_code") {
		s.violation("poll with a user_code that belongs to another device_code")
		return *refuse(InvalidCodePair)
	}
	now := s.opts.Now()
	tooSoon := !p.polled.IsZero() && now.Sub(p.polled) < p.interval
	p.polled = now
	if tooSoon && s.opts.StrictPolling {
		s.violation("polled sooner than every %s", p.interval)
		p.interval = min(2*p.interval, max(p.interval, maxSlowedInterval))
		return *refuse(SlowDown)
	}
	return s.outcome(p, rec)
}

func (s *Sim) outcome(p *pair, rec *Request) answer {
	switch s.stateOf(p) {
	case pairWaiting:
		return *refuse(Pending)
	case pairAllowed:
		p.state = pairUsed
		return s.give(p.grant, true, nil, rec)
	case pairDenied:
		if s.opts.StandardPairErrors {
			return *refuse(AccessDenied)
		}
	case pairExpired:
		if s.opts.StandardPairErrors {
			return *refuse(ExpiredToken)
		}
	case pairUsed:
	}
	return *refuse(InvalidCodePair)
}

// AllowPair does what a person does who enters the user code and presses Allow.
// A code that is unknown, expired or already answered is an error.
func (s *Sim) AllowPair(userCode string) error { return s.answerPair(userCode, pairAllowed) }

// DenyPair is AllowPair for the other button.
func (s *Sim) DenyPair(userCode string) error { return s.answerPair(userCode, pairDenied) }

func (s *Sim) answerPair(userCode string, to pairState) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.waiting(userCode)
	if p == nil {
		return fmt.Errorf("no device waits with the code %q: it is unknown, expired or already answered", userCode)
	}
	p.state = to
	return nil
}

// ExpirePairs lets the time of all pairs that wait, or are allowed and not yet
// fetched, run out now.
func (s *Sim) ExpirePairs() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.pairs {
		if p.state != pairUsed {
			p.state = pairExpired
		}
	}
}
