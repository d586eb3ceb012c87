package lwatest

import (
	"bytes"
	_ "embed" // for the templates
	"html/template"
	"net/http"
	"slices"
	"strings"
)

//go:embed pages.html
var pagesHTML string

// page renders one of the templates. They are read anew each time: pages are
// rare, and a simulator in a quick test needs none.
func page(status int, name string, fill any) answer {
	var out bytes.Buffer
	t, err := template.New("pages").Parse(pagesHTML)
	if err == nil {
		err = t.ExecuteTemplate(&out, name, fill)
	}
	if err != nil {
		return answer{status: http.StatusInternalServerError, body: []byte(err.Error())}
	}
	return answer{status: status, body: out.Bytes(), header: http.Header{
		"Content-Type":            {"text/html;charset=UTF-8"},
		"Content-Security-Policy": {"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"},
		"Referrer-Policy":         {"no-referrer"},
	}}
}

type refusedPage struct{ Why string }

// consentPage is the question that a person is asked.
type consentPage struct {
	Client  string
	Name    string
	Email   string
	Product string
	Serial  string
	Wants   []string
	// Where says what the buttons lead to.
	Where string
}

type pairEntryPage struct {
	Code  string
	Wrong bool
}

type pairDonePage struct {
	Client  string
	Name    string
	Email   string
	Allowed bool
}

func (s *Sim) question(c Client, scopes string, p alexaProduct, where string) consentPage {
	name := c.Name
	if name == "" {
		name = c.ID
	}
	return consentPage{
		Client: name, Name: s.opts.AccountName, Email: s.opts.AccountEmail,
		Product: p.product, Serial: p.serial, Wants: wants(strings.Fields(scopes)), Where: where,
	}
}

// wants says in a person's words what is asked for.
func wants(scopes []string) []string {
	var out []string
	for _, scope := range scopes {
		switch scope {
		case "alexa:all":
			out = append(out, "The use of Alexa on this device")
		case "profile":
			out = append(out, "Your name and e-mail address")
		case "profile:user_id":
			out = append(out, "An id that stands for you")
		case "postal_code":
			out = append(out, "Your postal code")
		default:
			out = append(out, scope)
		}
	}
	return slices.Compact(out)
}

func (s *Sim) authorizePage(in incoming) answer {
	q, refused := s.check(in)
	if refused != nil {
		return *refused
	}
	host, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(q.redirectURI, "https://"), "http://"), "/")
	return page(http.StatusOK, "consent", s.question(q.client, q.scopes, alexaProduct{q.product, q.serial}, "Either button takes you to "+host+"."))
}

func (s *Sim) consent(in incoming) answer {
	q, refused := s.check(in)
	if refused != nil {
		return *refused
	}
	switch in.press {
	case "allow":
		return s.allow(q)
	case "cancel":
		return s.cancel(q)
	}
	return page(http.StatusBadRequest, "refused", refusedPage{Why: "The form says neither Allow nor Cancel"})
}

func (s *Sim) pairPage(in incoming) answer {
	text := in.form.get("cbl-code")
	if text == "" {
		return page(http.StatusOK, "pairentry", pairEntryPage{})
	}
	p := s.waiting(text)
	if p == nil {
		return page(http.StatusOK, "pairentry", pairEntryPage{Code: text, Wrong: true})
	}
	return page(http.StatusOK, "consent", s.question(s.clients[p.clientID], p.scopes, p.product, "Allow only if the device beside you shows the code "+p.userCode+"."))
}

func (s *Sim) pairConsent(in incoming) answer {
	text := in.form.get("cbl-code")
	p := s.waiting(text)
	if p == nil {
		return page(http.StatusOK, "pairentry", pairEntryPage{Code: text, Wrong: true})
	}
	switch in.press {
	case "allow":
		p.state = pairAllowed
	case "cancel":
		p.state = pairDenied
	default:
		return page(http.StatusBadRequest, "refused", refusedPage{Why: "The form says neither Allow nor Cancel"})
	}
	q := s.question(s.clients[p.clientID], p.scopes, p.product, "")
	return page(http.StatusOK, "pairdone", pairDonePage{Client: q.Client, Name: q.Name, Email: q.Email, Allowed: p.state == pairAllowed})
}
