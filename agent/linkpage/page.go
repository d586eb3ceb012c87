package linkpage

import (
	"crypto/sha256"
	_ "embed" // the page's style and script
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html"
	"net/http"
	"strconv"
	"strings"

	"lwa-agent/agent"
)

//go:embed page.css
var pageStyle string

//go:embed page.js
var pageScript string

//go:embed errorpage.svg
var errorPagePicture string

// contentPolicy lets the page's own style and script in, and nothing else.
func contentPolicy() string {
	hash := func(text string) string {
		sum := sha256.Sum256([]byte(text))
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return "default-src 'none'; style-src " + hash(pageStyle) + "; script-src " + hash(pageScript) +
		"; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}

func (s *site) secure(h http.Header) {
	h.Set("Content-Security-Policy", s.policy)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
}

// document is a page: content, and what wants it to be loaded again.
type document struct {
	title   string
	body    strings.Builder
	state   string // what the script on it waits to change; "" for a page that stays as it is
	waiting bool   // without a script it is loaded again now and then: nothing can be typed there
}

// handedIn is what a person has just handed in, and what was wrong with it.
type handedIn struct {
	text    string
	problem agent.Problem
}

// add writes HTML; each text in it is made harmless.
func (d *document) add(format string, texts ...string) {
	escaped := make([]any, len(texts))
	for i, text := range texts {
		escaped[i] = html.EscapeString(text)
	}
	fmt.Fprintf(&d.body, format+"\n", escaped...)
}

// heading names the page, in its tab too: what has become of it is seen from
// another one.
func (d *document) heading(text string) {
	d.title = text
	d.add("<h1>%s</h1>", text)
}

// hash is another text for each content.
func (d *document) hash() string {
	sum := sha256.Sum256([]byte(d.body.String()))
	return hex.EncodeToString(sum[:8])
}

func (s *site) write(w http.ResponseWriter, status int, d *document) {
	reload, script := "", ""
	if d.waiting {
		reload = `<noscript><meta http-equiv="refresh" content="5"></noscript>`
	}
	if d.state != "" {
		script = "<script>" + pageScript + "</script>"
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>%s</title>
%s
<style>%s</style>
</head>
<body data-state="%s">
<main>
%s</main>
%s
</body>
</html>
`, html.EscapeString(d.title), reload, pageStyle, d.state, d.body.String(), script)
}

// plainState is what the script on the page compares with its own.
func (s *site) plainState(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprint(w, s.page(handedIn{}).state)
}

// outdated is for a page that was left open while another attempt began. The
// status makes its script load this one.
func (s *site) outdated(w http.ResponseWriter, problem agent.Problem) {
	if last := s.currentStatus().LastError; problem.Message == "" && last != nil {
		problem = *last
	}
	problem.Hint = "" // the cure is below
	var d document
	d.heading("This page is out of date")
	d.problem(problem)
	d.add("<p>Open the address that the device’s display shows now. It is another one for each attempt.</p>")
	s.write(w, http.StatusGone, &d)
}

// fail is for who has not shown that they see the display: it tells nothing of
// the device.
func (s *site) fail(w http.ResponseWriter, status int, what, cure string) {
	var d document
	d.heading(what)
	if cure != "" {
		d.add("<p>%s</p>", cure)
	}
	s.write(w, status, &d)
}

// page is for who sees the display.
func (s *site) page(in handedIn) *document {
	st := s.currentStatus()
	d := content(st, in)
	d.state = content(st, handedIn{}).hash() // else what was wrong would be gone after a moment
	return d
}

func content(st agent.Status, in handedIn) *document {
	pending := st.CodePending || st.State == agent.Linking
	if in.problem.Message == "" && st.LastError != nil && !pending { // an older one is not about this code
		in.problem = *st.LastError
	}
	d := &document{waiting: true}
	switch {
	case pending:
		d.heading("Linking this device")
		d.problem(in.problem)
		d.add(`<p role="status">The code was received, and Amazon is being asked. This takes a few seconds.</p>`)
	case !isOffered(st):
		d.linked(st)
	case st.AuthorizeURL != "":
		d.waiting = false
		d.offer(st, in)
		d.authorize(st, in)
	case st.UserCode != "":
		d.offer(st, in)
		d.pair(st)
	default:
		d.offer(st, in)
		d.add(`<p role="status">One moment: the link is being prepared.</p>`)
	}
	return d
}

func (d *document) offer(st agent.Status, in handedIn) {
	d.heading("Link this device to Amazon")
	d.device(st)
	if strings.HasPrefix(in.problem.Hint, "scan the QR code") { // as on a display, where there is no button
		in.problem.Hint = "sign in again"
	}
	d.problem(in.problem)
}

func (d *document) device(st agent.Status) {
	d.add(`<p class="device">Device <b>%s</b>, serial number <b>%s</b></p>`, deviceName(), st.SerialNumber)
	if st.State == agent.Linked {
		d.add("<p>Until the new link works, the old one stays in use.</p>")
	}
}

func (d *document) problem(p agent.Problem) {
	if p.Message != "" {
		d.add(`<p class="problem" role="alert">%s</p>`, p.Sentences())
	}
}

func (d *document) authorize(st agent.Status, in handedIn) {
	d.add("<ol>")
	d.add(`<li><a class="button" target="_blank" rel="noopener noreferrer" href="%s">Sign in at Amazon</a><br>It opens in a new tab.</li>`, st.AuthorizeURL)
	if st.ComesBack {
		d.add("<li>After that you are brought back here.</li>")
		d.add("</ol>")
		shown := ""
		if in.text != "" {
			shown = " open"
		}
		d.add("<details" + shown + "><summary>You are not brought back?</summary>")
		d.form(in)
		d.add("</details>")
		return
	}
	d.add("<li><p>Then the browser shows an <b>error page</b>. That is expected. Copy the whole address from its address bar, and come back to this tab.</p>")
	d.body.WriteString(errorPagePicture)
	d.add("</li>")
	d.add("<li>")
	d.form(in)
	d.add("</li>")
	d.add("</ol>")
}

func (d *document) form(in handedIn) {
	text := ""
	if in.problem.Code == "not_a_code" { // can be corrected; anything else has to be another one
		text = in.text
	}
	d.add(`<form method="post" autocomplete="off">`)
	d.add(`<label for="address">Paste the address here:</label>`)
	d.add(`<textarea id="address" name="address" rows="4" required spellcheck="false" autocapitalize="off">%s</textarea>`, text)
	d.add(`<button class="button" type="submit">Link this device</button>`)
	d.add(`</form>`)
}

func (d *document) pair(st agent.Status) {
	d.add(`<p><a class="button" target="_blank" rel="noopener noreferrer" href="%s">Sign in at Amazon</a><br>It opens in a new tab.</p>`, st.PairURL())
	d.add(`<p>If you are asked for a code, it is <b class="code">%s</b></p>`, st.UserCode)
	d.add(`<p role="status">Nothing has to be copied. This page says when it is done, at most %s seconds after you allowed it.</p>`, strconv.Itoa(st.PollSeconds+5))
}

func (d *document) linked(st agent.Status) {
	d.waiting = false
	d.heading("This device is linked")
	if st.Account == "" {
		d.add(`<p role="status">You can close this page.</p>`)
		return
	}
	d.add(`<p role="status">It is linked to the Amazon account of <b>%s</b>. You can close this page.</p>`, st.Account)
	d.add("<p>Not yours? Run <code>lwa-agent unlink</code> on the device.</p>")
}
