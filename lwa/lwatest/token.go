package lwatest

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"
)

// code is an authorization code that was given out.
type code struct {
	grant
	redirectURI string
	challenge   string // empty where none was sent
	made        time.Time
	spent       bool
}

// grant is what the person allowed, to whom.
type grant struct {
	clientID string
	scopes   string
	link     *link
}

// link is one pressing of Allow. It ends as a whole: by removal of the app, or
// when its code comes a second time (RFC 6749 section 4.1.2).
type link struct{ ended bool }

type refresh struct {
	grant
	text   string // given back unchanged where nothing rotates
	dead   bool
	parent *refresh // dies when this one is used
}

type access struct {
	grant
	made, ends time.Time
}

func (s *Sim) exchange(f form, rec *Request) answer {
	client, proven, refused := s.authenticate(f)
	if refused != nil {
		return *refused
	}
	text, verifier := f.get("code"), f.get("code_verifier")
	for _, name := range []string{"code", "redirect_uri"} {
		if f.get(name) == "" {
			s.violation("exchange without %s", name)
			return *refuse(missing(name))
		}
	}
	if client.Kind == Web && !proven && (verifier == "" || s.opts.Standard) {
		return *s.withoutSecret()
	}
	if !s.opts.Standard && (len(text) < 18 || len(text) > 128 || strings.ContainsFunc(text, notVisible)) {
		return *refuse(MalformedCode)
	}
	c := s.codes[Hash(text)]
	if c == nil || c.clientID != client.ID {
		return *refuse(SpentCode)
	}
	if c.spent {
		s.violation("code %s was used although it was spent: its tokens are withdrawn", rec.Code)
		c.link.ended = true
		return *refuse(SpentCode)
	}
	if s.opts.Now().Sub(c.made) >= s.opts.CodeLife {
		return *refuse(SpentCode)
	}
	c.spent = true
	if f.get("redirect_uri") != c.redirectURI {
		s.violation("exchange with another redirect_uri than in the authorize request")
		return *refuse(SpentCode)
	}
	if a := s.checkVerifier(c, f.has("code_verifier"), verifier); a != nil {
		return *a
	}
	renewable := s.opts.Standard || proven || client.Kind == Mobile
	return s.give(c.grant, renewable, nil, rec)
}

// checkVerifier is RFC 7636 section 4.6, with RFC 9700 section 4.8.2: a
// verifier without challenge means that somebody took the challenge away.
func (s *Sim) checkVerifier(c *code, sent bool, verifier string) *answer {
	wrong := Unauthorized
	if s.opts.Standard {
		wrong = WrongVerifier
	}
	switch {
	case c.challenge == "" && !sent:
		return nil
	case c.challenge == "":
		s.violation("code_verifier sent for a code that was asked for without code_challenge")
		return refuse(wrong)
	case verifier == "":
		s.violation("exchange without code_verifier, although a code_challenge was sent")
		return refuse(missing("code_verifier"))
	case len(verifier) < 43 || len(verifier) > 128 || strings.ContainsFunc(verifier, notUnreserved):
		s.violation("code_verifier is not 43 to 128 characters of A-Z a-z 0-9 - . _ ~")
		return refuse(invalid("code_verifier"))
	}
	sum := sha256.Sum256([]byte(verifier))
	if subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(c.challenge)) != 1 {
		return refuse(wrong)
	}
	return nil
}

func notVisible(r rune) bool { return r <= ' ' || r > '~' }

func notUnreserved(r rune) bool { return unescaped(r) || strings.ContainsRune("*+%", r) }

func (s *Sim) refresh(f form, rec *Request) answer {
	client, proven, refused := s.authenticate(f)
	if refused != nil {
		return *refused
	}
	text := f.get("refresh_token")
	if text == "" {
		s.violation("refresh without refresh_token")
		return *refuse(missing("refresh_token"))
	}
	if client.Kind == Web && !proven {
		return *s.withoutSecret()
	}
	old := s.refreshes[Hash(text)]
	if old == nil || old.dead || old.link.ended || old.clientID != client.ID {
		return *refuse(Revoked)
	}
	if old.parent != nil {
		old.parent.dead = true
	}
	return s.give(old.grant, true, old, rec)
}

// withoutSecret refuses a client that should have proven itself. RFC 6749
// section 5.2 calls that invalid_client, Amazon names the parameter.
func (s *Sim) withoutSecret() *answer {
	if s.opts.Standard {
		return refuse(WrongSecret)
	}
	return refuse(MissingSecret)
}

func (s *Sim) otherGrant(f form) answer {
	grant := f.get("grant_type")
	if grant == "" {
		s.violation("token request without grant_type")
		return *refuse(missing("grant_type"))
	}
	s.violation("token request with the unknown grant_type %q", grant)
	return *refuse(Unsupported)
}

// tokens has the members of Amazon's answer in Amazon's order.
type tokens struct {
	Access    string          `json:"access_token"`
	Refresh   string          `json:"refresh_token,omitempty"`
	Type      string          `json:"token_type"`
	ExpiresIn json.RawMessage `json:"expires_in,omitempty"`
	Scope     string          `json:"scope,omitempty"`
}

// give answers with tokens. old is the refresh token that was used, if any.
func (s *Sim) give(g grant, renewable bool, old *refresh, rec *Request) answer {
	now := s.opts.Now()
	out := tokens{Access: makeToken("Atza|"), Type: "bearer", ExpiresIn: s.expiresIn()}
	s.accesses[Hash(out.Access)] = &access{grant: g, made: now, ends: now.Add(s.opts.TokenLife)}
	rec.Access = Hash(out.Access)
	if s.opts.Standard {
		out.Type, out.Scope = "Bearer", g.scopes
	}
	switch {
	case !renewable:
	case old == nil:
		out.Refresh = s.newRefresh(g, nil)
	case s.opts.OmitRefreshToken:
	case s.opts.RotateAtOnce:
		old.dead = true
		out.Refresh = s.newRefresh(g, nil)
	case s.opts.Rotate:
		out.Refresh = s.newRefresh(g, old)
	default:
		out.Refresh = old.text
	}
	rec.Refresh = Hash(out.Refresh)
	return jsonAnswer(http.StatusOK, out)
}

func (s *Sim) newRefresh(g grant, parent *refresh) string {
	text := makeToken("Atzr|")
	s.refreshes[Hash(text)] = &refresh{grant: g, text: text, parent: parent}
	return text
}

// makeToken returns a token of Amazon's length with each character in it that
// goes wrong in a form that is not encoded.
func makeToken(prefix string) string { return prefix + opaque(350) + "%2B+/=" }

func (s *Sim) expiresIn() json.RawMessage {
	seconds := int64(math.Floor(s.opts.TokenLife.Seconds()))
	switch s.opts.ExpiresIn {
	case ExpiresString:
		return json.RawMessage(fmt.Sprintf("%q", fmt.Sprint(seconds)))
	case ExpiresFraction:
		return json.RawMessage(fmt.Sprintf("%d.0", seconds))
	case ExpiresAbsent:
		return nil
	case ExpiresNumber:
	}
	return json.RawMessage(fmt.Sprint(seconds))
}

// RemoveApp removes the program in the person's account: every refresh token is
// refused from now on, and every access token too.
func (s *Sim) RemoveApp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.refreshes {
		r.link.ended = true
	}
	for _, a := range s.accesses {
		a.link.ended = true
	}
}
