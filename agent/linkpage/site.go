package linkpage

import (
	"crypto/subtle"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"lwa-agent/agent"
	"lwa-agent/lwa"
)

// maxForm bounds a form, in bytes; an address has at most 4,096, and each may
// be escaped.
const maxForm = 16 << 10

// site is what both listeners show. Run's goroutine sets its fields, requests
// read them.
type site struct {
	agent  *agent.Agent
	policy string

	mu     sync.Mutex
	status agent.Status
	token  string // behind the address of the page
	old    string // the one before, of a page that may still be open; "" for none
	offer  string // what token was made for
	before string // what old was made for
}

func newSite(a *agent.Agent) *site {
	return &site{agent: a, policy: contentPolicy(), token: newToken()}
}

// entrance is what differs between the listeners.
type entrance struct {
	tries        *tries
	redirectPath string // on loopback: where the redirect arrives
	mayBeCalled  func(host string) bool
}

// show takes a new status over, and reports whether the device was just linked.
func (s *site) show(st agent.Status) (linked bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.status.State == "" || isOffered(s.status)
	linked = was && s.status.State != "" && !isOffered(st)
	s.status = st
	offer := offerOf(st)
	if isOffered(st) && !was || offer != "" && s.offer != "" && offer != s.offer {
		s.old, s.token = s.token, newToken()
	}
	if offer != "" && offer != s.offer {
		s.offer, s.before = offer, s.offer
	}
	return linked
}

// isOffered reports whether there is something to link, or about to be.
func isOffered(st agent.Status) bool {
	return st.State != agent.Linked || st.AuthorizeURL != "" || st.UserCode != "" || st.CodePending
}

// offerOf tells attempts apart, so that each has an address of its own. A code
// pair changes under the person's hands, and that is no other attempt.
func offerOf(st agent.Status) string {
	switch {
	case st.UserCode != "":
		return "pair"
	case st.AuthorizeURL == "":
		return ""
	}
	u, _ := url.Parse(st.AuthorizeURL) // the agent's own
	random, _, _ := strings.Cut(u.Query().Get("state"), ".")
	return random
}

func (s *site) offers() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status.State != "" && isOffered(s.status)
}

// needsRedirect reports whether a redirect can come that ends this offer.
func (s *site) needsRedirect() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status.AuthorizeURL != ""
}

// offersPair reports whether linking is by a code pair, which has no redirect.
func (s *site) offersPair() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status.UserCode != ""
}

func (s *site) currentToken() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.token
}

func (s *site) isOld(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.old != "" && isSame(text, s.old)
}

func (s *site) currentStatus() agent.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

func (s *site) handler(e entrance) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(e, w, r) })
}

func (s *site) serve(e entrance, w http.ResponseWriter, r *http.Request) {
	s.secure(w.Header())
	switch {
	case !e.mayBeCalled(hostname(r.Host)):
		s.fail(w, http.StatusMisdirectedRequest, "This page is not reached by that name", "Open the address that the device’s display shows.")
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodPost:
		w.Header().Set("Allow", "GET, HEAD, POST")
		s.fail(w, http.StatusMethodNotAllowed, "That cannot be done here", "")
		return
	case r.URL.Path == "/favicon.ico":
		http.NotFound(w, r)
		return
	case r.Method == http.MethodGet && hasAnswer(r.URL.RawQuery) && (e.redirectPath == "" || e.redirectPath == r.URL.EscapedPath()):
		s.redirected(e, w, r)
		return
	}
	path, isState := strings.CutSuffix(r.URL.Path, "/state")
	if !s.mayEnter(e, w, r, path) {
		return
	}
	switch {
	case r.Method == http.MethodPost:
		s.pasted(w, r, !s.isToken(path))
	case !s.isToken(path):
		s.outdated(w, agent.Problem{})
	case isState:
		s.plainState(w)
	default:
		s.agent.Attend()
		s.write(w, http.StatusOK, s.page(handedIn{}))
	}
}

// mayEnter lets in who knows the token: who has seen the display. Who knows the
// token before has seen it too, and gets to hear that it shows another now.
func (s *site) mayEnter(e entrance, w http.ResponseWriter, r *http.Request, path string) bool {
	who, now := hostOf(r.RemoteAddr), time.Now()
	isToken := s.isToken(path)
	switch {
	case !e.tries.allowed(who, s.currentToken(), now):
		s.tooMany(w)
		return false
	case isToken:
		e.tries.right(who, s.currentToken())
		return true
	case s.isOld(path):
		return true
	}
	if len(strings.Trim(path, "/")) == tokenLength { // what browsers ask for by themselves is no try
		e.tries.wrong(who)
	}
	s.fail(w, http.StatusNotFound, "There is nothing at this address", "Open the address that the device’s display shows, with the four characters at its end.")
	return false
}

func (s *site) tooMany(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "60")
	s.fail(w, http.StatusTooManyRequests, "Too many wrong addresses were tried", "Wait a minute, then open the address that the device’s display shows.")
}

func (s *site) isToken(path string) bool { return isSame(path, s.currentToken()) }

func isSame(path, token string) bool {
	text := strings.ToUpper(strings.Trim(path, "/"))
	return subtle.ConstantTimeCompare([]byte(text), []byte(token)) == 1
}

// hasAnswer reports whether a query is what a redirect brings (RFC 6749
// section 4.1.2).
func hasAnswer(query string) bool {
	values, _ := url.ParseQuery(query) // with an error, what could be read
	return values.Has("code") || values.Has("error")
}

// redirected takes what the redirect brought: at the redirect address itself,
// or from the static page on the web. The state in it proves that it belongs
// here, whatever token was in the address when it was made; without that proof
// it is a try like any other, whether the token is right or not.
func (s *site) redirected(e entrance, w http.ResponseWriter, r *http.Request) {
	who, now := hostOf(r.RemoteAddr), time.Now()
	if !e.tries.allowed(who, s.currentToken(), now) && !s.isState(r.URL.Query().Get("state")) {
		s.tooMany(w)
		return
	}
	sees := s.isToken(r.URL.Path) // the display
	problem := s.agent.HandIn(r.Context(), "?"+r.URL.RawQuery, true)
	switch {
	case problem == nil:
		http.Redirect(w, r, "/"+s.currentToken(), http.StatusSeeOther) // the code leaves the address bar
	case !isOffered(s.currentStatus()) && (sees || s.isState(r.URL.Query().Get("state"))): // the way back after linking
		http.Redirect(w, r, "/"+s.currentToken(), http.StatusSeeOther)
	case sees:
		s.write(w, http.StatusBadRequest, s.page(handedIn{problem: *problem}))
	case problem.Code == foreignState || problem.Code == "not_a_code":
		e.tries.wrong(who)
		s.fail(w, http.StatusBadRequest, "This did not link the device", problem.Sentences())
	default: // the state is ours, so the page may be seen; it says what is wrong
		http.Redirect(w, r, "/"+s.currentToken(), http.StatusSeeOther)
	}
}

// foreignState is what the agent says to an address that is not of its making.
const foreignState = "foreign_state"

// isState reports whether a state is that of the attempt that is shown, or of
// the one before. Who has it, has seen the display.
func (s *site) isState(state string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	random, _, _ := strings.Cut(state, ".")
	for _, offer := range []string{s.offer, s.before} {
		if len(offer) == lwa.StateLength && subtle.ConstantTimeCompare([]byte(random), []byte(offer)) == 1 {
			return true
		}
	}
	return false
}

// pasted takes what a person pasted into the page. Into one that is out of date
// that may be an address with a state: it proves what the token no longer does.
func (s *site) pasted(w http.ResponseWriter, r *http.Request, isOld bool) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil && !isOld {
		s.write(w, http.StatusRequestEntityTooLarge, s.page(handedIn{problem: agent.Problem{Message: "that was too long, or did not arrive whole", Hint: "paste the address alone"}}))
		return
	}
	text := r.PostForm.Get("address")
	problem := s.agent.HandIn(r.Context(), text, isOld)
	switch {
	case problem == nil, problem.Code == "linked" && !isOld:
		http.Redirect(w, r, "/"+s.currentToken(), http.StatusSeeOther)
	case isOld:
		s.outdated(w, *problem)
	default:
		s.write(w, http.StatusBadRequest, s.page(handedIn{text, *problem}))
	}
}

// hostname is the host of a Host header without its port.
func hostname(host string) string {
	return (&url.URL{Host: host}).Hostname()
}

// deviceName is how this device is called, for a person who has several.
func deviceName() string {
	name, err := os.Hostname()
	if err != nil {
		return "this device"
	}
	return name
}
