package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func sprint(format string, v any) string { return fmt.Sprintf(format, v) }

// problemsOf returns the lines of the error for a file that begins with a good
// client id on line 1.
func problemsOf(t *testing.T, text string) []string {
	t.Helper()
	_, err := Parse("c.toml", []byte("client_id = \""+goodID+"\"\n"+text), noEnv)
	if err == nil {
		t.Fatalf("no problem is found in\n%s", text)
	}
	return strings.Split(err.Error(), "\n")
}

func TestEveryMistakeHasItsLineAndItsCure(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"a slip of the finger", `scops = ["profile"]`, `c.toml:2: unknown key scops; did you mean scopes?`},
		{"a slip in a table", "[device]\nproductid = \"x\"", `c.toml:3: unknown key device.productid; did you mean product_id?`},
		{"a key that there is not", "colour = \"red\"", `c.toml:2: unknown key colour; remove it; there are client_id, client_secret_file, scopes, region, redirect_uri, method, state_dir, runtime_dir, code`},
		{"a key under the wrong table", "[device]\nregion = \"na\"", `c.toml:3: unknown key device.region; region belongs to the top of the file, above the first [table]`},
		{"a key above its table", `boot_spread = "1m"`, `c.toml:2: unknown key boot_spread; boot_spread belongs below [refresh]`},
		{"the secret itself", `client_secret = "hush-hush"`, `c.toml:2: unknown key client_secret; put the secret into a file of its own, readable for the agent alone, and name that file in client_secret_file`},
		{"an unknown table", "[devices]\nproduct_id = \"x\"", `c.toml:2: unknown table devices; did you mean device?`},
		{"a list with one bracket", "[display]\ndriver = \"png\"", `c.toml:2: display is a list, of which this is no element; write [[display]] with two brackets`},
		{"a table with two brackets", "[[device]]\nproduct_id = \"x\"", `c.toml:2: device can be there only once; write [device] with one bracket`},
		{"a table as a value", `inbox = "/drop/"`, `c.toml:2: unknown key inbox; inbox is a table: write [inbox], and its keys in the lines below`},
		{"a list of tables as a value", `display = ["png"]`, `c.toml:2: unknown key display; display is a list of tables: write [[display]], and its keys in the lines below`},
		{"a list of tables with dots", `display.driver = "png"`, `c.toml:2: unknown key display.driver; write [[display]], and its keys in the lines below`},
		{"a key in quotes", `"device.product_id" = "x"`, `c.toml:2: unknown key "device.product_id"; remove it; there are client_id, client_secret_file, scopes, region, redirect_uri, method, state_dir, runtime_dir, code`},

		{"a number for text", "region = 3", `c.toml:2: region is a number, not text; write it in quotes: region = "…"`},
		{"a list for text", "region = [\"na\"]", `c.toml:2: region is a list, not text; write it in quotes: region = "…"`},
		{"text for a list", `scopes = "profile"`, `c.toml:2: scopes is text, not a list; write it in brackets: scopes = ["…"]`},
		{"a number in a list", "[inbox]\npaths = [\"/a\", 3]", `c.toml:3: inbox.paths holds a number, not only text; write each in quotes: paths = ["…", "…"]`},
		{"a mode without quotes", "[[token_file]]\npath = \"/a\"\nmode = 640", `c.toml:4: token_file[0].mode is a number, not text; write it in quotes: mode = "…"`},
		{"a line break", "region = \"\"\"\nna\n\"\"\"", `c.toml:2: region holds a line break or another control character; write it on one line`},

		{"an unknown region", `region = "EU"`, `c.toml:2: region "EU" is unknown; write na (America), eu (Europe, Middle East, India) or fe (Japan, Australia, Singapore)`},
		{"an unknown method", `method = "qr"`, `c.toml:2: method "qr" is unknown; write code (authorize URL) or cbl (code-based linking), or remove the line`},
		{"two scopes in one", `scopes = ["profile postal_code"]`, `c.toml:2: scopes holds "profile postal_code", which is no scope; write each as a text of its own: scopes = ["profile", "postal_code"]`},
		{"no product", `scopes = ["alexa:all"]`, `c.toml:2: the scope alexa:all needs a product_id; write it below [device]: product_id = "…"`},
		{"an empty product", "scopes = [\"alexa:all\"]\n[device]\nproduct_id = \"\"", `c.toml:4: the scope alexa:all needs a product_id; write the product's id of the Alexa developer console there`},
		{"a relative state", `state_dir = "state"`, `c.toml:2: state_dir "state" is not absolute; write the whole path, from the first /`},
		{"a relative inbox", "[inbox]\npaths = [\"drop/\"]", `c.toml:3: the inbox "drop/" is not absolute; write the whole path, from the first /`},
		{"an inbox of everything", "[inbox]\npaths = [\"/\"]", `c.toml:3: the inbox is the whole file system; name a directory for codes alone`},
		{"no duration", "[refresh]\nboot_spread = \"30\"", `c.toml:3: refresh.boot_spread "30" is no duration; write a number with its unit, as in "30s" or "5m"`},
		{"a negative duration", "[refresh]\nboot_spread = \"-1s\"", `c.toml:3: refresh.boot_spread "-1s" is not between 0s and 24h; write "30s", or "5m" for a fleet`},
		{"no driver", "[[display]]\ndevice = \"/dev/tty1\"", `c.toml:2: a [[display]] has no driver; write one, as in driver = "terminal"`},
		{"no path", "[[token_file]]\nmode = \"0600\"", `c.toml:2: a [[token_file]] has no path; write one, as in path = "/run/lwa-agent/access_token"`},
		{"a relative path", "[[token_file]]\npath = \"t\"", `c.toml:3: the token file "t" is not an absolute path of a file; write the whole path, from the first / to the file's name`},
		{"one path twice", "[[token_file]]\npath = \"/t\"\n[[token_file]]\npath = \"/t\"", `c.toml:5: the token file "/t" is there twice; remove one`},
		{"the name of an expiry", "[[token_file]]\npath = \"/t\"\n[[token_file]]\npath = \"/t.expires\"", `c.toml:5: the token file "/t.expires" has the name of another's expiry; take another name: beside each token file is one that ends in .expires`},
		{"a rule for nobody", "[[access]]\nmay = [\"token\"]", `c.toml:2: an [[access]] names neither a user nor a group; write one, as in user = "kodi"`},
		{"a rule for two", "[[access]]\nuser = \"kodi\"\ngroup = \"audio\"\nmay = []", `c.toml:4: an [[access]] names a user and a group; write an [[access]] for each`},
		{"a rule about nothing", "[[access]]\nuser = \"kodi\"", `c.toml:2: an [[access]] does not say what is allowed; write it, as in may = ["token"], or [] for nothing`},
		{"a rule twice", "[[access]]\nuser = \"kodi\"\nmay = []\n[[access]]\nuser = \"kodi\"\nmay = [\"token\"]", `c.toml:7: there are two [[access]] for kodi; put what is allowed into one`},
		{"a slip in a rule", "[[access]]\nuser = \"kodi\"\nmay = [\"tokens\"]", `c.toml:4: may holds "tokens"; did you mean token?`},
		{"an unknown right", "[[access]]\nuser = \"kodi\"\nmay = [\"everything\"]", `c.toml:4: may holds "everything"; remove it; there are status, token, link`},
		{"the name of a socket", "[[token_file]]\npath = \"/run/lwa-agent/agent.sock\"", `c.toml:3: the token file "/run/lwa-agent/agent.sock" is a file of the agent's own; take another path, as in "/run/lwa-agent/access_token"`},
		{"the place of the link", "state_dir = \"/data\"\n[[token_file]]\npath = \"/data/./link.json.1\"", `c.toml:4: the token file "/data/./link.json.1" is a file of the agent's own; take another path, as in "/run/lwa-agent/access_token"`},
		{"a token among the codes", "[[token_file]]\npath = \"/var/spool/lwa-agent/token\"", `c.toml:3: the token file "/var/spool/lwa-agent/token" is in an inbox, where it would be taken for a code; take another path, as in "/run/lwa-agent/access_token"`},
		{"a mode in letters", "[[token_file]]\npath = \"/t\"\nmode = \"rw-r-----\"", `c.toml:4: mode "rw-r-----" is no file mode; write three octal digits after a 0, as in "0640"`},
		{"a mode with setuid", "[[token_file]]\npath = \"/t\"\nmode = \"4755\"", `c.toml:4: mode "4755" is no file mode; write three octal digits after a 0, as in "0640"`},
		{"a link page without a port", "[link_page]\nlisten = \"192.168.1.20\"", `c.toml:3: link_page.listen "192.168.1.20" is no address to listen on; write a colon and a port, as in listen = ":9744"`},
		{"a link page at no port", "[link_page]\nlisten = \":http\"", `c.toml:3: link_page.listen ":http" is no address to listen on; write a colon and a port, as in listen = ":9744"`},
		{"a link page at a name", "[link_page]\nlisten = \"radio.lan:9744\"", `c.toml:3: link_page.listen "radio.lan:9744" names a host; write the port alone, as in listen = ":9744", or an IP address of this device before it`},
		{"a link page where the redirect arrives", "redirect_uri = \"https://localhost:9744/x\"\n[link_page]\nlisten = \":9744\"", `c.toml:4: link_page.listen and redirect_uri have the same port; take another for the page, as in listen = ":9744"`},
		{"a certificate without its key", "[link_page]\ncert_file = \"/c.pem\"", `c.toml:2: link_page.key_file is missing, which the other file needs; write both, or none for plain http`},
		{"a certificate that is not absolute", "[link_page]\ncert_file = \"c.pem\"\nkey_file = \"/k.pem\"", `c.toml:3: link_page.cert_file "c.pem" is not absolute; write the whole path, from the first /`},

		{"no address", `redirect_uri = "localhost:9745"`, `c.toml:2: redirect_uri is not an address; write all of it, as in https://host/path`},
		{"a fragment", `redirect_uri = "https://localhost/#"`, `c.toml:2: redirect_uri has a fragment, which OAuth 2 forbids; remove the # and what follows`},
		{"plain http", `redirect_uri = "http://192.168.1.20/"`, `c.toml:2: redirect_uri is plain http, which Amazon takes for localhost alone; write https://, and the same in the Allowed Return URLs at Amazon`},
		{"a password", "[endpoints]\nauthorize = \"https://i/a\"\ntoken = \"https://u:p@i/t\"", `c.toml:4: endpoints.token holds a user or a password; remove what stands before the @`},
		{"plain http to another machine", "[endpoints]\nauthorize = \"https://i/a\"\ntoken = \"http://192.168.1.20/t\"", `c.toml:4: endpoints.token is plain http to another machine, where everybody between could read the tokens; write https://`},
		{"a server without token address", "[endpoints]\nauthorize = \"https://i/a\"", `c.toml:2: endpoints.token is missing, which method "code" needs with a server of one's own; write token below [endpoints], or remove them all for Amazon's`},
		{"a server without code pairs", "method = \"cbl\"\n[endpoints]\ntoken = \"https://i/t\"", `c.toml:3: endpoints.codepair is missing, which method "cbl" needs with a server of one's own; write codepair below [endpoints], or remove them all for Amazon's`},

		{"text without quotes", `region = na`, `c.toml:2: column 10: no value that TOML knows; a line reads key = "text", with the quotes, or [table]`},
		{"a missing value", `region =   # later`, `c.toml:2: column 12: the value is missing; write one after the =, or remove the line`},
		{"a quote that does not end", "region = \"na\n", `c.toml:2: column 13: basic strings cannot have new lines; a line reads key = "text", with the quotes, or [table]`},
		{"YAML", `region: na`, `c.toml:2: column 7: expected character =; a line reads key = "text", with the quotes, or [table]`},
		{"a key twice", "region = \"na\"\nmethod = \"\"\nregion = \"eu\"\ncode = \"\"", `c.toml:4: key region is already defined; remove one of the two`},
		{"a table twice", "[device]\n[inbox]\n[device]", `c.toml:4: table device already exists; remove one of the two`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := problemsOf(t, test.text)
			if len(got) != 1 || got[0] != test.want {
				t.Errorf("a person cannot mend what is not said:\n got %s\nwant %s", strings.Join(got, "\n     "), test.want)
			}
		})
	}
}

func TestTokenIsNotWrittenOverTheSecret(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("hush-hush"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := problemsOf(t, fmt.Sprintf("client_secret_file = %q\n[[token_file]]\npath = %[1]q", secret))
	if len(got) != 1 || !strings.Contains(got[0], "is the configuration or the client secret") {
		t.Errorf("a device that cannot be linked any more: %q", got)
	}
}

func TestAllMistakesAreReportedAtOnce(t *testing.T) {
	_, err := Parse("c.toml", []byte(`
region = "mars"
scops = []
redirect_uri = 3
[refresh]
boot_spread = "soon"
[[token_file]]
mode = "0999"
[nonsense]
a = 1
b = 2
`), noEnv)
	want := []string{
		"c.toml:1: client_id is missing; ",
		`c.toml:2: region "mars" is unknown; `,
		"c.toml:3: unknown key scops; ",
		"c.toml:4: redirect_uri is a number, not text; ",
		`c.toml:6: refresh.boot_spread "soon" is no duration; `,
		"c.toml:7: a [[token_file]] has no path; ",
		`c.toml:8: mode "0999" is no file mode; `,
		"c.toml:9: unknown table nonsense; ",
	}
	got := strings.Split(fmt.Sprint(err), "\n")
	if len(got) != len(want) {
		t.Fatalf("one mistake per start is a long afternoon; got\n%s\nwant %d lines", err, len(want))
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("line %d is %q, want it to begin with %q", i+1, got[i], want[i])
		}
	}
	if p, ok := errors.AsType[*Problem](err); !ok || p.Line != 1 || p.Cure == "" {
		t.Errorf("the error holds %+v, want the problems themselves", p)
	}
}

func TestClientIDThatAmazonWouldRefuseIsRefusedHere(t *testing.T) {
	for id, want := range map[string]string{
		"":                              "client_id is missing",
		"{" + goodID + "}":              "client_id stands in braces or quotes",
		"'" + goodID + "'":              "client_id stands in braces or quotes",
		goodID + " ":                    "client_id holds a blank",
		goodID[:len(goodID)-1]:          "client_id is not amzn1.application-oa2-client. and 32",
		goodID[:len(goodID)-1] + "g":    "client_id is not amzn1.application-oa2-client. and 32",
		"amzn1.application." + "0123":   "client_id is not amzn1.application-oa2-client. and 32",
		"amzn1.oa2-cs.v1.0123456789abc": "client_id holds the client secret",
	} {
		_, err := Parse("c.toml", []byte("# my device\nclient_id = \""+id+"\"\n"), noEnv)
		if got := fmt.Sprint(err); !strings.HasPrefix(got, "c.toml:2: "+want) || strings.Contains(got, "\n") {
			t.Errorf("client_id %q: %s\nwant c.toml:2: %s…", id, got, want)
		}
		if id != "" && strings.Contains(fmt.Sprint(err), id) {
			t.Errorf("what stands in client_id may be the secret, and is shown: %v", err)
		}
	}
	const own = "[endpoints]\nauthorize = \"http://localhost:1/a\"\ntoken = \"http://127.0.0.1:1/t\"\n"
	if _, err := Parse("c.toml", []byte("client_id = \"my-device\"\n"+own), noEnv); err != nil {
		t.Errorf("another server's client ids have another form, and are refused: %v", err)
	}
}

func TestClientSecretThatCannotBeReadIsNoPublicClient(t *testing.T) {
	dir := t.TempDir()
	for name, test := range map[string]struct{ path, want string }{
		"missing":   {filepath.Join(dir, "none"), "cannot be read: no such file or directory; write the client secret there, or remove the line for a public client"},
		"directory": {dir, "cannot be read: it is no regular file; put a readable text file there"},
		"relative":  {"secret", "client_secret_file is not absolute; write the whole path, from the first /"},
		"two lines": {write(t, "s", 0o600, "first\nsecond\n"), "is not one word of plain characters; leave only the client secret in it"},
		"huge":      {write(t, "s", 0o600, strings.Repeat("x", 1<<17)), "cannot be read: it is larger than 64 KiB; put a readable text file there"},
	} {
		got := problemsOf(t, `client_secret_file = "`+test.path+`"`)
		if len(got) != 1 || !strings.HasPrefix(got[0], "c.toml:2: ") || !strings.HasSuffix(got[0], test.want) {
			t.Errorf("%s: %q, want …%s", name, got, test.want)
		}
		if strings.Contains(strings.Join(got, ""), "second") {
			t.Errorf("%s: the secret is shown: %q", name, got)
		}
	}
}

func TestUnreadableSecretNamesTheGroup(t *testing.T) {
	if os.Getuid() == 0 {
		// Root reads everything; what the message says is the same for any error of this kind.
		got := cureOfRead("/etc/s", os.ErrPermission, "")
		if want := "chgrp lwa-agent /etc/s && chmod 0640 /etc/s"; !strings.Contains(got, want) {
			t.Errorf("cure %q, want %q in it", got, want)
		}
		return
	}
	path := write(t, "secret", 0, "s")
	got := problemsOf(t, `client_secret_file = "`+path+`"`)
	if want := "chgrp lwa-agent " + path + " && chmod 0640 " + path; !strings.Contains(got[0], want) {
		t.Errorf("problem %q, want %q in it", got[0], want)
	}
}

func TestMissingFileSaysWhatToWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.toml")
	_, err := Load(path, noEnv)
	if want := path + ": the configuration cannot be read: no such file or directory; write it, with client_id at least"; fmt.Sprint(err) != want {
		t.Errorf("error %q, want %q", err, want)
	}
	put(t, path, 0o600, "client_id = \""+goodID+"\"")
	if c, err := Load(path, noEnv); err != nil || c.ClientID != goodID {
		t.Errorf("Load = %+v, %v", c, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(exampleText(f)))
	f.Add([]byte("client_id = \"" + goodID + "\"\nruntime_dir = '/r'\n[[display]]\ndriver = 'png'\n[endpoints]\ntoken = 'https://x/t'\n"))
	f.Add([]byte("a.b.c = {d = [1, {e = 2}], \"f.g\" = 1979-05-27}\n[[a.x]]\n[a.x.y]\n[[a.x]]\n"))
	f.Add([]byte("[[a]]\n[[a.b]]\nc = 1\n[a]\n"))
	f.Add([]byte("\ufeffclient_id = 0640\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := Parse("f", text, noEnv)
		if err == nil {
			if c.ClientID == "" || c.Endpoints.Token == "" || c.StateDir[0] != '/' || len(c.Scopes) == 0 || c.Method != "code" && c.Method != "cbl" {
				t.Errorf("accepted with nothing to work with: %+v", c)
			}
			if got := runtimeDir(text); got != c.RuntimeDir {
				t.Errorf("the commands look for the socket in %q, the daemon makes it in %q", got, c.RuntimeDir)
			}
			return
		}
		lines := strings.Count(string(text), "\n") + 1
		for _, e := range problems(err) {
			if e.Line < 1 || e.Line > lines || e.What == "" || e.Cure == "" || strings.ContainsAny(e.Error(), "\n\r\x1b") {
				t.Errorf("a problem that nobody can find or read: %q", e.Error())
			}
		}
	})
}

func problems(err error) []*Problem {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []*Problem
		for _, e := range joined.Unwrap() {
			all = append(all, problems(e)...)
		}
		return all
	}
	p, ok := errors.AsType[*Problem](err)
	if !ok {
		return []*Problem{{}}
	}
	return []*Problem{p}
}
