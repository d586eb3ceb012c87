package lwatest

import (
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// A form is decoded parameters. An empty value counts as left out (RFC 6749
// section 3.1).
type form map[string][]string

func (f form) get(name string) string {
	if len(f[name]) == 0 {
		return ""
	}
	return f[name][0]
}

func (f form) has(name string) bool { return len(f[name]) > 0 }

func (f form) duplicate() (name string, found bool) {
	for name, values := range f {
		if len(values) > 1 {
			return name, true
		}
	}
	return "", false
}

// incoming is a request, read.
type incoming struct {
	kind   Kind
	scheme string
	host   string
	url    *url.URL
	header http.Header
	form   form    // of the body for POSTs, of the query for GETs
	press  string  // the button that was pressed on a page
	bad    *answer // set where the request cannot be read
}

func (in incoming) bearer() string {
	scheme, token, _ := strings.Cut(in.header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return token
}

// kindsAt returns the kinds that an address serves, so far as it can be told
// without the body.
func kindsAt(path string) []Kind {
	switch strings.Replace(path, "/auth/O2/", "/auth/o2/", 1) {
	case "/ap/oa":
		return []Kind{Authorize, Consent}
	case "/us/code":
		return []Kind{PairPage, PairConsent}
	case "/auth/o2/token":
		return []Kind{Exchange, Refresh, Poll}
	case "/auth/o2/create/codepair":
		return []Kind{CodePair}
	case "/auth/o2/tokeninfo":
		return []Kind{TokenInfo}
	case "/user/profile":
		return []Kind{Profile}
	}
	return []Kind{Other}
}

func (s *Sim) read(r *http.Request, raw []byte) incoming {
	in := incoming{kind: Other, scheme: r.URL.Scheme, host: r.Host, url: r.URL, header: r.Header}
	if in.host == "" {
		in.host = r.URL.Host
	}
	switch { // a server's requests name no scheme
	case in.scheme == "" && r.TLS != nil:
		in.scheme = "https"
	case in.scheme == "":
		in.scheme = "http"
	}
	kinds := kindsAt(r.URL.Path)
	switch first := kinds[0]; first {
	case Authorize, PairPage:
		in.kind = first
		in.form, _ = s.decode(r.URL.RawQuery, "the address")
		if r.Method == http.MethodPost {
			in.kind = kinds[1]
			pressed, _ := s.decode(string(raw), "the page's form")
			in.press = pressed.get("press")
		}
	case TokenInfo, Profile:
		in.kind = first
		in.form, _ = s.decode(r.URL.RawQuery, "the address")
		if r.Method != http.MethodGet {
			s.violation("%s by %s, not GET", in.kind, r.Method)
			in.bad = refuse(Malformed)
		}
	case Exchange, CodePair:
		in.form, in.bad = s.post(r, raw)
		in.kind = first
		if in.kind == Exchange {
			in.kind = grantKind(in.form.get("grant_type"))
		}
	case Consent, Refresh, Poll, PairConsent, Other, Unsent:
		in.form = form{}
	}
	return in
}

func grantKind(grant string) Kind {
	switch grant {
	case "authorization_code":
		return Exchange
	case "refresh_token":
		return Refresh
	case "device_code", "urn:ietf:params:oauth:grant-type:device_code":
		return Poll
	}
	return Other
}

// post reads a form as RFC 6749 section 4.1.3 wants it sent.
func (s *Sim) post(r *http.Request, raw []byte) (form, *answer) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case r.Method != http.MethodPost:
		s.violation("%s by %s, not POST", r.URL.Path, r.Method)
		return form{}, refuse(Malformed)
	case err != nil || media != "application/x-www-form-urlencoded":
		s.violation("%s with content type %q, not application/x-www-form-urlencoded", r.URL.Path, media)
		return form{}, refuse(Malformed)
	case len(raw) > maxBody:
		s.violation("%s with a body of more than %d bytes", r.URL.Path, maxBody)
		return form{}, refuse(Malformed)
	case r.URL.RawQuery != "":
		s.violation("%s with parameters in the address, where logs keep them", r.URL.Path)
	}
	f, ok := s.decode(string(raw), r.URL.Path)
	if !ok {
		return f, refuse(Malformed)
	}
	if name, found := f.duplicate(); found {
		s.violation("%s with %s more than once", r.URL.Path, name)
		return f, refuse(Malformed)
	}
	for name := range f {
		if f.get(name) == "" {
			s.violation("%s with an empty %s", r.URL.Path, name)
		}
	}
	return f, nil
}

// decode reads name=value pairs. No secret holds a blank, so a raw + in one
// should have been escaped and has just changed it.
func (s *Sim) decode(raw, where string) (form, bool) {
	f := form{}
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(part, "=")
		name, err := url.QueryUnescape(rawName)
		if err != nil {
			s.violation("%s: a parameter's name has a bad escape", where)
			return f, false
		}
		value, err := url.QueryUnescape(rawValue)
		if err != nil {
			s.violation("%s: the value of %s has a bad escape", where, name)
			return f, false
		}
		if strings.Contains(rawValue, "+") && slices.Contains([]string{"code", "refresh_token", "access_token", "client_secret", "code_verifier", "device_code"}, name) {
			s.violation("%s: %s holds a raw +, which is a blank in a form", where, name)
		}
		if i := strings.IndexFunc(rawValue, unescaped); i >= 0 && strings.HasPrefix(where, "/auth/") {
			s.violation("%s: %s holds %q unescaped", where, name, rawValue[i])
		}
		f[name] = append(f[name], value)
	}
	return f, true
}

// unescaped reports a character that a form must not hold bare
// (https://url.spec.whatwg.org/#urlencoded-serializing; ~ is left bare by Go).
func unescaped(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return false
	}
	return !strings.ContainsRune("-._~*+%", r)
}
