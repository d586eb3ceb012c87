// Package lwatest is Login with Amazon, simulated: the sign-in pages, the token
// endpoint, code-based linking and the two look-ups, as an http.Handler for a
// loopback server and as an http.RoundTripper for virtual time
// (testing/synctest). It also plays the person who presses Allow, the network
// that fails, and the server that is careful about what it is sent.
//
// It reads the protocol for itself and shares no code with package lwa, so a
// misreading there does not cancel out here. Where Amazon's documents and its
// recorded answers differ, Options choose.
//
// It promises nothing about secrecy: it is for tests and demonstrations, asks
// for no password and must not be reachable by strangers.
package lwatest

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	defaultTokenLife    = time.Hour
	defaultCodeLife     = 5 * time.Minute
	defaultPairLife     = 10 * time.Minute
	defaultPairInterval = 30 * time.Second
	maxSlowedInterval   = time.Minute
)

// Options choose among the behaviours that Amazon, or another OAuth 2 server,
// shows. The zero value is Amazon as recorded: the same refresh token comes
// back, polling is lenient, one client of each kind is registered.
type Options struct {
	// Clients replaces the four default clients.
	Clients []Client

	// Now is the server's clock for lives and records; nil means time.Now.
	Now func() time.Time
	// Skew is added to the Date header and to dates in Retry-After, and to
	// nothing else: the clock that the server tells differs from the device's.
	Skew time.Duration

	// TokenLife is an access token's, 1 h if zero. It is told in whole seconds.
	TokenLife time.Duration
	// CodeLife is an authorization code's, 5 minutes if zero. A code is dead at
	// its end, and alive a nanosecond before.
	CodeLife time.Duration
	// PairLife is a code pair's, 10 minutes if zero.
	PairLife time.Duration
	// PairInterval is what a pair asks for between polls, 30 s if zero.
	PairInterval time.Duration

	// StrictPolling answers slow_down to a poll that comes sooner than the
	// interval, and doubles the interval that it then insists on, up to 60 s.
	StrictPolling bool
	// StandardPairErrors answers access_denied and expired_token (RFC 8628
	// section 3.5) where Amazon answers invalid_code_pair.
	StandardPairErrors bool

	// Rotate gives a new refresh token with each refresh. The old one stays
	// good until the new one is used.
	Rotate bool
	// RotateAtOnce is Rotate with an old token that dies at once, so that a
	// lost answer is a lost link.
	RotateAtOnce bool
	// OmitRefreshToken leaves refresh_token out of the answer to a refresh.
	OmitRefreshToken bool

	// ExpiresIn is the form in which expires_in is written.
	ExpiresIn Shape
	// Scopes are known beside Amazon's own; others are refused as invalid_scope.
	Scopes []string
	// GrantedScopes are granted whatever was asked for, separated by blanks.
	GrantedScopes string

	// Standard makes it a plain OAuth 2 server with PKCE: scope_data means
	// nothing, any scope is known, every client gets a refresh token, a wrong
	// verifier is invalid_grant (RFC 7636 section 4.6), token_type is Bearer,
	// the scope stands in the token answer, the redirect names the issuer
	// (RFC 9207), and codes hold characters that need escaping.
	Standard bool

	// BaseURL is where people reach /us/code, for the verification_uri. If
	// empty, it is https://amazon.com when asked at an Amazon host, and else
	// the host that was asked.
	BaseURL string

	// AccountName, AccountEmail and UserID are the person's.
	AccountName  string
	AccountEmail string
	UserID       string
}

// Shape is how expires_in is written.
type Shape int

// Amazon was seen to write a number; one of its pages shows a string; other
// servers write a fraction or nothing.
const (
	ExpiresNumber Shape = iota
	ExpiresString
	ExpiresFraction
	ExpiresAbsent
)

func (o *Options) fill() {
	setDuration(&o.TokenLife, defaultTokenLife)
	setDuration(&o.CodeLife, defaultCodeLife)
	setDuration(&o.PairLife, defaultPairLife)
	setDuration(&o.PairInterval, defaultPairInterval)
	setText(&o.AccountName, "Jo Example")
	setText(&o.AccountEmail, "jo@example.com")
	setText(&o.UserID, "amzn1.account.AGSIMULATEDXZ7RO4QK2LI23KL2LKQ")
	if o.Now == nil {
		o.Now = time.Now
	}
}

func setDuration(d *time.Duration, value time.Duration) {
	if *d <= 0 {
		*d = value
	}
}

func setText(text *string, value string) {
	if *text == "" {
		*text = value
	}
}

// A Sim is one simulated Amazon with one person's account. All its methods may
// be called at the same time.
type Sim struct {
	mu         sync.Mutex // guards everything below; never held while waiting
	opts       Options
	clients    map[string]Client
	codes      map[string]*code    // by hash
	refreshes  map[string]*refresh // by hash
	accesses   map[string]*access  // by hash
	pairs      map[string]*pair    // by device code's hash
	faults     []*queuedFault
	requests   []*Request
	violations []string
	codesSent  map[string]int // by hash, whatever became of the request
}

// New returns a simulator.
func New(o Options) *Sim {
	o.fill()
	s := &Sim{
		opts:      o,
		clients:   map[string]Client{},
		codes:     map[string]*code{},
		refreshes: map[string]*refresh{},
		accesses:  map[string]*access{},
		pairs:     map[string]*pair{},
		codesSent: map[string]int{},
	}
	clients := o.Clients
	if clients == nil {
		clients = DefaultClients()
	}
	for _, c := range clients {
		s.clients[c.ID] = c
	}
	return s
}

// Change alters options while the simulator is in use; Clients is not looked at
// again (see AddClient).
func (s *Sim) Change(alter func(*Options)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	alter(&s.opts)
	s.opts.fill()
}

// decide gives the answer to a request whose body has arrived whole. It takes
// no time: an answer says how long it waits.
func (s *Sim) decide(r *http.Request, raw []byte) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	in := s.read(r, raw)
	rec := &Request{Kind: in.kind, At: s.opts.Now(), ClientID: in.form.get("client_id")}
	s.requests = append(s.requests, rec)
	s.note(in, rec)

	fault, failing := s.takeFault(in.kind)
	var a answer
	if !failing || fault.commits() {
		a = s.dispatch(in, rec)
	}
	if failing {
		rec.Fault = fault.String()
		a = s.spoil(fault, a)
	}
	s.stamp(&a)
	rec.Status = a.status
	if a.broken == Reset || a.broken == Silence {
		rec.Status = 0
	}
	return a
}

func (s *Sim) dispatch(in incoming, rec *Request) answer {
	if in.bad != nil {
		return *in.bad
	}
	switch in.kind {
	case Authorize:
		return s.authorizePage(in)
	case Consent:
		return s.consent(in)
	case PairPage:
		return s.pairPage(in)
	case PairConsent:
		return s.pairConsent(in)
	case Exchange:
		return s.exchange(in.form, rec)
	case Refresh:
		return s.refresh(in.form, rec)
	case CodePair:
		return s.codePair(in)
	case Poll:
		return s.poll(in.form, rec)
	case TokenInfo:
		return s.tokenInfo(in)
	case Profile:
		return s.profile(in)
	case Other, Unsent:
	}
	if kindsAt(in.url.Path)[0] == Exchange {
		return s.otherGrant(in.form)
	}
	return page(http.StatusNotFound, "notfound", nil)
}

// violation records what a careful server would object to. It must hold no
// secret.
func (s *Sim) violation(format string, args ...any) {
	s.violations = append(s.violations, fmt.Sprintf(format, args...))
}
