package agent

import (
	"slices"
	"strings"
	"time"
)

// Link states, as GET /status reports them.
const (
	Unlinked = "unlinked" // a way to link is offered, or will be
	Linking  = "linking"  // a code is being exchanged, or a new link is being proven
	Linked   = "linked"   // tokens are refreshed and handed out
)

// Ways to link a device; see Config.Method.
const (
	MethodCode = "code" // authorize URL and authorization code (RFC 6749 section 4.1, RFC 7636)
	MethodCBL  = "cbl"  // Amazon's code-based linking, which resembles RFC 8628
)

// Status is what the agent tells everybody who may ask: people, the display
// process, scripts. It holds no secret, ever. Its JSON form is part of the
// contract: fields are added, none is renamed.
//
// AuthorizeURL, or UserCode and VerificationURI, are set while a link is
// offered: unlinked, or during a relink, when State stays "linked".
type Status struct {
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"` // why it is not linked, or what is going on; a sentence for people
	Method string `json:"method,omitempty"`

	AuthorizeURL    string     `json:"authorize_url,omitempty"`
	UserCode        string     `json:"user_code,omitempty"`
	VerificationURI string     `json:"verification_uri,omitempty"`
	LinkPage        string     `json:"link_page,omitempty"`       // on the local network, in capitals
	RedirectURI     string     `json:"redirect_uri,omitempty"`    // with AuthorizeURL: what must be registered at Amazon
	ComesBack       bool       `json:"comes_back,omitempty"`      // the redirect ends at the link page by itself
	Loopback        *Loopback  `json:"loopback,omitempty"`        // with a RedirectURI on this device
	LinkExpiresAt   *time.Time `json:"link_expires_at,omitempty"` // when UserCode ends
	NextLinkAt      *time.Time `json:"next_link_at,omitempty"`    // when an unattended device offers its next code
	PollSeconds     int        `json:"poll_seconds,omitempty"`    // how long "allowed" on the phone may take to arrive
	Inbox           []string   `json:"inbox,omitempty"`           // where a code may be dropped, while one is wanted
	CodePending     bool       `json:"code_pending,omitempty"`    // a code handed in has no outcome yet

	Account      string     `json:"account,omitempty"`
	Scopes       []string   `json:"scopes,omitempty"` // as granted, which may differ from those asked for
	SerialNumber string     `json:"serial_number,omitempty"`
	LinkedSince  *time.Time `json:"linked_since,omitempty"`
	ExpiresAt    *time.Time `json:"expires_at,omitempty"`
	NextRefresh  *time.Time `json:"next_refresh,omitempty"`

	LastError   *Problem  `json:"last_error,omitempty"`
	Warnings    []Warning `json:"warnings,omitempty"` // what works now and may not for ever
	Displays    []Display `json:"displays,omitempty"`
	Clock       Clock     `json:"clock"`
	StoreWrites uint64    `json:"store_writes"`        // writes to the state directory since the start
	StoreKey    string    `json:"store_key,omitempty"` // number of the key under which the link is on the disk; empty: in plain text
	Version     string    `json:"version,omitempty"`

	// Handouts is who took the access token since the start, at GET /status alone.
	Handouts []Handout `json:"handouts,omitempty"`
}

// equal reports whether t says the same as s, and so has the same JSON. It is asked
// after each event, of which few are news; reflect.DeepEqual takes as long as the
// JSON does.
func (s Status) equal(t Status) bool {
	return s.State == t.State && s.Reason == t.Reason && s.Method == t.Method &&
		s.AuthorizeURL == t.AuthorizeURL && s.UserCode == t.UserCode && s.VerificationURI == t.VerificationURI &&
		s.LinkPage == t.LinkPage && s.RedirectURI == t.RedirectURI && s.ComesBack == t.ComesBack &&
		same(s.Loopback, t.Loopback) && same(s.LinkExpiresAt, t.LinkExpiresAt) && same(s.NextLinkAt, t.NextLinkAt) &&
		s.PollSeconds == t.PollSeconds && slices.Equal(s.Inbox, t.Inbox) && s.CodePending == t.CodePending &&
		s.Account == t.Account && slices.Equal(s.Scopes, t.Scopes) && s.SerialNumber == t.SerialNumber &&
		same(s.LinkedSince, t.LinkedSince) && same(s.ExpiresAt, t.ExpiresAt) && same(s.NextRefresh, t.NextRefresh) &&
		same(s.LastError, t.LastError) && slices.Equal(s.Warnings, t.Warnings) && slices.Equal(s.Displays, t.Displays) &&
		s.Clock == t.Clock && s.StoreWrites == t.StoreWrites && s.StoreKey == t.StoreKey && s.Version == t.Version &&
		slices.Equal(s.Handouts, t.Handouts)
}

// same reports whether both are nil, or point to equal values. Two times may be
// the same moment and yet differ: they are not told in the same words then.
func same[T comparable](a, b *T) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// PairURL is VerificationURI with the user code in it, as the QR codes of
// Amazon's own devices have it.
func (s Status) PairURL() string {
	separator := "?"
	if strings.Contains(s.VerificationURI, "?") {
		separator = "&"
	}
	return s.VerificationURI + separator + "cbl-code=" + s.UserCode
}

// Problem is the last thing that went wrong and has not been mended since.
// Code is one word for programs, Message says what happened and Hint what to do.
type Problem struct {
	Code    string    `json:"code"`
	Message string    `json:"message"`
	Hint    string    `json:"hint,omitempty"`
	At      time.Time `json:"at"`
}

// Warning is a condition in which all works, and which somebody should know
// of: it lasts until it is changed, so it is no last error.
type Warning struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// Sentences is the problem with what to do about it, as people read it.
func (p Problem) Sentences() string {
	return strings.TrimSpace(sentence(p.Message) + " " + sentence(p.Hint))
}

// Display is what one display shows, as its process reported it.
type Display struct {
	Driver string `json:"driver"`
	Device string `json:"device,omitempty"`
	Shows  string `json:"shows,omitempty"`
	Error  string `json:"error,omitempty"`
}

// Loopback is the listener for a redirect that ends on this device, while a
// link is offered.
type Loopback struct {
	Address     string `json:"address"`               // as in the redirect URI: "localhost:9745"
	Fingerprint string `json:"fingerprint,omitempty"` // SHA-256 of the certificate that the device made; empty for plain http
	Error       string `json:"error,omitempty"`       // why nothing listens there now
}

// Clock is what is known of the wall clock. It is only ever shown: no decision
// depends on it.
type Clock struct {
	Synchronized bool  `json:"synchronized"`
	SkewSeconds  int64 `json:"skew_seconds"` // Amazon's Date header less our time; 0 until an answer came
}

// sentence makes one of a message or a hint.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	if word, _, _ := strings.Cut(s, " "); strings.Contains(word, ".") {
		return strings.TrimRight(s, ".") + "." // a server's name keeps its small letters
	}
	return strings.ToUpper(s[:1]) + strings.TrimRight(s[1:], ".") + "."
}
