package config

import (
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"lwa-agent/agent"
	"lwa-agent/lwa"
)

// ClientIDPrefix stands before the 32 hexadecimal digits of Amazon's client ids.
const ClientIDPrefix = "amzn1.application-oa2-client."

const alexaScope = "alexa:all"

// config takes every setting, reporting what is wrong with each.
func (r *reader) config(env Env) Config {
	c := Config{
		ClientID:    r.text("client_id"),
		RedirectURI: r.redirect(),
		StateDir:    r.directory("state_dir", env("STATE_DIRECTORY"), defaultStateDir),
		RuntimeDir:  r.directory("runtime_dir", env("RUNTIME_DIRECTORY"), defaultRuntimeDir),
		Code:        lwa.NewSecret(strings.TrimSpace(r.text("code"))),
		Device:      Device{ProductID: r.text("device.product_id"), SerialNumber: r.text("device.serial_number")},
		Inbox:       r.inbox(),
		BootSpread:  r.spread(),
		LinkPage:    r.linkPage(),
		Displays:    r.displays(),
		TokenFiles:  r.tokenFiles(),
		Access:      r.access(),
	}
	c.ClientSecret, c.SecretFile = r.clientSecret(env)
	c.Scopes = r.scopes(c.Device.ProductID)
	var amazon bool
	c.Endpoints, amazon = r.endpoints(r.region())
	c.Method = r.method(amazon, c.ClientSecret)
	if !amazon {
		r.complete(c.Method)
	}
	r.clientID(c.ClientID, amazon)
	r.tokenFilesApart(c)
	c.Warnings = r.warnings
	return c
}

func (r *reader) clientID(id string, amazon bool) {
	const again = `copy it again from the security profile in Amazon's developer console`
	hex, isForm := strings.CutPrefix(id, ClientIDPrefix)
	switch {
	case id == "":
		r.missing("client_id", "client_id is missing", "copy it from the security profile in Amazon's developer console")
	case !amazon:
	case strings.ContainsAny(id, "{}<>\"'"):
		r.fault("client_id", "client_id stands in braces or quotes that are not part of it", "remove them")
	case strings.ContainsFunc(id, func(r rune) bool { return r == ' ' || r == '\u00a0' }):
		r.fault("client_id", "client_id holds a blank", again)
	case strings.HasPrefix(id, "amzn1.oa2-cs."):
		r.fault("client_id", "client_id holds the client secret", "write the client id there, and the secret into the file that client_secret_file names")
	case !isForm || len(hex) != 32 || strings.Trim(hex, "0123456789abcdefABCDEF") != "":
		r.fault("client_id", "client_id is not "+ClientIDPrefix+" and 32 hexadecimal digits", again)
	}
}

func (r *reader) scopes(productID string) []string {
	scopes := r.list("scopes")
	if len(scopes) == 0 {
		if productID != "" {
			return []string{alexaScope}
		}
		return []string{"profile"}
	}
	for _, s := range scopes {
		if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' || r == '\\' }) {
			r.fault("scopes", fmt.Sprintf("scopes holds %q, which is no scope", s), `write each as a text of its own: scopes = ["profile", "postal_code"]`)
		}
	}
	if slices.Contains(scopes, alexaScope) && productID == "" {
		if _, set := r.values["device.product_id"]; set {
			r.missing("device.product_id", "the scope alexa:all needs a product_id", "write the product's id of the Alexa developer console there")
		} else {
			r.fault("scopes", "the scope alexa:all needs a product_id", `write it below [device]: product_id = "…"`)
		}
	}
	if productID != "" && !slices.Contains(scopes, alexaScope) {
		r.warn("device.product_id", "product_id is not used without the scope alexa:all", "remove one or add the other")
	}
	return scopes
}

func (r *reader) region() string {
	region := r.text("region")
	if region == "" {
		return "na"
	}
	if _, ok := lwa.RegionEndpoints(region); !ok {
		r.fault("region", fmt.Sprintf("region %q is unknown", region), "write na (America), eu (Europe, Middle East, India) or fe (Japan, Australia, Singapore)")
	}
	return region
}

func (r *reader) method(amazon bool, secret lwa.Secret) string {
	switch method := r.text("method"); method {
	case agent.MethodCode, agent.MethodCBL:
		return method
	case "":
		if amazon && secret.IsZero() {
			return agent.MethodCBL
		}
	default:
		r.fault("method", fmt.Sprintf("method %q is unknown", method), "write code (authorize URL) or cbl (code-based linking), or remove the line")
	}
	return agent.MethodCode
}

// redirect must equal an Allowed Return URL of the client byte for byte, so it
// is never rewritten.
func (r *reader) redirect() string {
	text := r.text("redirect_uri")
	if text == "" {
		return DefaultRedirect
	}
	u := r.address("redirect_uri", text)
	if u != nil && u.Scheme == "http" && !lwa.IsLoopback(u.Hostname()) {
		r.fault("redirect_uri", "redirect_uri is plain http, which Amazon takes for localhost alone", "write https://, and the same in the Allowed Return URLs at Amazon")
	}
	return text
}

// endpoints returns where to link: Amazon's by region, or those of the file.
func (r *reader) endpoints(region string) (e lwa.Endpoints, amazon bool) {
	own := lwa.Endpoints{
		Authorize: r.endpoint("authorize"), Token: r.endpoint("token"),
		CodePair: r.endpoint("codepair"), Profile: r.endpoint("profile"),
	}
	if own == (lwa.Endpoints{}) {
		e, _ = lwa.RegionEndpoints(region)
		return e, true
	}
	if u, err := url.Parse(own.Token); err == nil && own.Profile == "" && strings.HasSuffix(strings.ToLower(u.Path), "/auth/o2/token") {
		own.Profile = (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: "/user/profile"}).String()
	}
	return own, false
}

func (r *reader) endpoint(name string) string {
	path := "endpoints." + name
	text := r.text(path)
	if text == "" {
		return ""
	}
	u := r.address(path, text)
	if u != nil && u.Scheme == "http" && !lwa.IsLoopback(u.Hostname()) {
		r.fault(path, path+" is plain http to another machine, where everybody between could read the tokens", "write https://")
	}
	return text
}

// complete reports the addresses of a server of one's own that the method needs
// and the file lacks.
func (r *reader) complete(method string) {
	needed := []string{"authorize", "token"}
	if method == agent.MethodCBL {
		needed = []string{"token", "codepair"}
	}
	for _, name := range needed {
		if r.values["endpoints."+name].text == "" {
			r.missing("endpoints."+name, fmt.Sprintf("endpoints.%s is missing, which method %q needs with a server of one's own", name, method),
				fmt.Sprintf("write %s below [endpoints], or remove them all for Amazon's", name))
		}
	}
}

// address reports a text that is no absolute http or https address.
func (r *reader) address(path, text string) *url.URL {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		r.fault(path, path+" is not an address", "write all of it, as in https://host/path")
	case strings.Contains(text, "#"):
		r.fault(path, path+" has a fragment, which OAuth 2 forbids", "remove the # and what follows")
	case u.User != nil:
		r.fault(path, path+" holds a user or a password", "remove what stands before the @")
	case strings.ContainsAny(text, " \u00a0"):
		r.fault(path, path+" holds a blank", "remove it")
	default:
		return u
	}
	return nil
}

// directory returns the setting at path, else the first of a colon-separated
// list that systemd passed in, else the default.
func (r *reader) directory(path, fromEnv, byDefault string) string {
	text := r.text(path)
	first, _, _ := strings.Cut(fromEnv, ":")
	switch {
	case text != "" && !filepath.IsAbs(text):
		r.fault(path, fmt.Sprintf("%s %q is not absolute", path, text), "write the whole path, from the first /")
	case text != "":
		return filepath.Clean(text)
	case filepath.IsAbs(first):
		return filepath.Clean(first)
	}
	return byDefault
}

func (r *reader) inbox() []string {
	paths := r.list("inbox.paths")
	if len(paths) == 0 {
		return []string{defaultInbox}
	}
	for i, p := range paths {
		switch {
		case !filepath.IsAbs(p):
			r.fault("inbox.paths", fmt.Sprintf("the inbox %q is not absolute", p), "write the whole path, from the first /")
		case filepath.Clean(p) == "/":
			r.fault("inbox.paths", "the inbox is the whole file system", "name a directory for codes alone")
		case slices.Contains(paths[:i], p):
			r.fault("inbox.paths", fmt.Sprintf("the inbox %q is there twice", p), "remove one")
		}
	}
	return paths
}

func (r *reader) spread() time.Duration {
	const path = "refresh.boot_spread"
	text := r.text(path)
	if text == "" {
		return defaultSpread
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		r.fault(path, fmt.Sprintf("%s %q is no duration", path, text), `write a number with its unit, as in "30s" or "5m"`)
	case d < 0 || d > 24*time.Hour:
		r.fault(path, fmt.Sprintf("%s %q is not between 0s and 24h", path, text), `write "30s", or "5m" for a fleet`)
	}
	return d
}
