package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"lwa-agent/agent"
	"lwa-agent/display/panel"
	"lwa-agent/lwa"
)

const goodID = "amzn1.application-oa2-client.0123456789abcdef0123456789abcdef"

func noEnv(string) string { return "" }

func envOf(pairs map[string]string) Env { return func(name string) string { return pairs[name] } }

// parse reads a file of which the client id is already right.
func parse(t *testing.T, text string, env Env) Config {
	t.Helper()
	c, err := Parse("c.toml", []byte("client_id = \""+goodID+"\"\n"+text), env)
	if err != nil {
		t.Fatalf("a good configuration is refused:\n%v\n%s", err, text)
	}
	return c
}

func TestClientIDAloneIsAConfiguration(t *testing.T) {
	amazon, _ := lwa.RegionEndpoints("na")
	want := Config{
		ClientID: goodID, Scopes: []string{"profile"}, Method: "cbl",
		RedirectURI: "https://localhost:9745/authresponse",
		StateDir:    "/var/lib/lwa-agent", RuntimeDir: "/run/lwa-agent",
		Inbox: []string{"/var/spool/lwa-agent/"}, BootSpread: 30 * time.Second,
		Endpoints: amazon,
	}
	if got := parse(t, "", noEnv); !reflect.DeepEqual(got, want) {
		t.Errorf("the defaults are not the documented ones:\n got %+v\nwant %+v", got, want)
	}
}

func TestEverySettingArrives(t *testing.T) {
	secret := write(t, "secret", 0o600, "s3cret\n")
	got := parse(t, `
client_secret_file = "`+secret+`"
scopes = ["alexa:all", "profile"]
region = "eu"
redirect_uri = "http://localhost:9000/x?y=1"
method = "cbl"
state_dir = "/s/"
runtime_dir = "/r"
code = "  ANdNAVhyhqirUelHGEHA "

[device]
product_id = "speaker"
serial_number = "0001"

[inbox]
paths = ["/drop/", "/one/file"]

[link_page]
listen = ":9744"
cert_file = "/c.pem"
key_file = "/k.pem"

[refresh]
boot_spread = "5m"

[[display]]
driver = "terminal"
device = "/dev/tty1"

[[display]]
driver = "png"

[[token_file]]
path = "/run/a"
mode = "0600"
group = "audio"

[[token_file]]
path = "/run/b"

[[access]]
user = "kodi"
may = ["token", "link"]

[[access]]
group = "lwa-agent"
may = []
`, noEnv)
	eu, _ := lwa.RegionEndpoints("eu")
	want := Config{
		ClientID: goodID, ClientSecret: lwa.NewSecret("s3cret"), SecretFile: secret, Scopes: []string{"alexa:all", "profile"},
		RedirectURI: "http://localhost:9000/x?y=1", Method: "cbl", StateDir: "/s", RuntimeDir: "/r",
		Code:   lwa.NewSecret("ANdNAVhyhqirUelHGEHA"),
		Device: Device{"speaker", "0001"}, Inbox: []string{"/drop/", "/one/file"}, BootSpread: 5 * time.Minute,
		LinkPage:   LinkPage{":9744", "/c.pem", "/k.pem"},
		Displays:   []panel.Config{{Driver: "terminal", Device: "/dev/tty1"}, {Driver: "png"}},
		TokenFiles: []agent.TokenFile{{Path: "/run/a", Mode: 0o600, Group: "audio"}, {Path: "/run/b", Mode: 0o640}},
		Access:     []agent.Access{{User: "kodi", May: []string{"token", "link"}}, {Group: "lwa-agent"}},
		Endpoints:  eu,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("a setting is lost:\n got %+v\nwant %+v", got, want)
	}
}

func TestSecretFileIsNamedBesideTheErrorThatItIsMissing(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "secret")
	c, err := Parse("c.toml", []byte(fmt.Sprintf("client_id = %q\nclient_secret_file = %q\n", goodID, missing)), noEnv)
	if err == nil || c.SecretFile != missing {
		t.Errorf("SecretFile %q, error %v; want the file to wait for, and an error until it is there", c.SecretFile, err)
	}
}

func TestDottedAndInlineTablesMeanTheSame(t *testing.T) {
	got := parse(t, `
device.product_id = "speaker"
display = [{driver = "terminal", device = "/dev/tty2"}]
refresh = { boot_spread = "1m" }
`, noEnv)
	if got.Device.ProductID != "speaker" || got.BootSpread != time.Minute || len(got.Displays) != 1 || got.Displays[0].Device != "/dev/tty2" {
		t.Errorf("TOML's other ways of writing a table are lost: %+v", got)
	}
}

func TestMethodFollowsTheClientKind(t *testing.T) {
	secret := `client_secret_file = "` + write(t, "secret", 0o600, "s") + "\"\n"
	const own = "[endpoints]\nauthorize = \"https://idp/a\"\ntoken = \"https://idp/t\"\n"
	for _, test := range []struct{ name, text, want string }{
		{"no secret at Amazon", "", "cbl"},
		{"a secret at Amazon", secret, "code"},
		{"no secret elsewhere", own, "code"},
		{"a secret elsewhere", secret + own, "code"},
		{"said otherwise", "method = \"code\"\n", "code"},
		{"said otherwise with a secret", secret + "method = \"cbl\"\n", "cbl"},
	} {
		if got := parse(t, test.text, noEnv).Method; got != test.want {
			t.Errorf("%s: method %q, want %q", test.name, got, test.want)
		}
	}
}

func TestScopesFollowTheProduct(t *testing.T) {
	if got := parse(t, "[device]\nproduct_id = \"p\"", noEnv).Scopes; !reflect.DeepEqual(got, []string{"alexa:all"}) {
		t.Errorf("scopes with a product %q, want alexa:all", got)
	}
	c := parse(t, "scopes = [\"profile\"]\n[device]\nproduct_id = \"p\"", noEnv)
	if want := "c.toml:4: product_id is not used"; len(c.Warnings) != 1 || !strings.HasPrefix(c.Warnings[0], want) {
		t.Errorf("warnings %q, want one that says why the product is not seen at Amazon", c.Warnings)
	}
}

func TestDirectoriesComeFromTheFileThenSystemdThenTheDefault(t *testing.T) {
	systemd := envOf(map[string]string{"STATE_DIRECTORY": "/var/lib/x:/var/lib/y", "RUNTIME_DIRECTORY": "/run/x:/run/y"})
	c := parse(t, "", systemd)
	if c.StateDir != "/var/lib/x" || c.RuntimeDir != "/run/x" {
		t.Errorf("directories %q and %q, want the first of systemd's", c.StateDir, c.RuntimeDir)
	}
	c = parse(t, "state_dir = \"/a\"\nruntime_dir = \"/b\"", systemd)
	if c.StateDir != "/a" || c.RuntimeDir != "/b" {
		t.Errorf("directories %q and %q, want those of the file", c.StateDir, c.RuntimeDir)
	}
}

func TestProfileAddressIsFoundFromTheTokenAddress(t *testing.T) {
	for token, want := range map[string]string{
		"http://127.0.0.1:8080/auth/o2/token":   "http://127.0.0.1:8080/user/profile",
		"http://[::1]:8080/auth/O2/token":       "http://[::1]:8080/user/profile",
		"https://idp.example/oauth/token":       "",
		"https://idp.example/x/auth/o2/token/y": "",
	} {
		c := parse(t, "[endpoints]\nauthorize = \"https://idp.example/a\"\ntoken = \""+token+"\"", noEnv)
		if c.Endpoints.Profile != want {
			t.Errorf("token address %s: profile %q, want %q", token, c.Endpoints.Profile, want)
		}
	}
	c := parse(t, "[endpoints]\nauthorize = \"https://i/a\"\ntoken = \"https://i/auth/o2/token\"\nprofile = \"https://i/me\"", noEnv)
	if c.Endpoints.Profile != "https://i/me" {
		t.Errorf("profile %q, want the one of the file", c.Endpoints.Profile)
	}
}

func TestClientSecretOfTheCredentialWins(t *testing.T) {
	credentials := t.TempDir()
	env := envOf(map[string]string{"CREDENTIALS_DIRECTORY": credentials})
	file := `client_secret_file = "` + write(t, "secret", 0o600, "from-file") + `"`

	if got := parse(t, file, env).ClientSecret.Reveal(); got != "from-file" {
		t.Errorf("without the credential the secret is %q, want the file's", got)
	}
	put(t, filepath.Join(credentials, "client_secret"), 0o400, "from-credential\r\n")
	if got := parse(t, file, env).ClientSecret.Reveal(); got != "from-credential" {
		t.Errorf("secret %q, want the credential's, without the line's end", got)
	}
	put(t, filepath.Join(credentials, "client_secret"), 0o400, " \n")
	if c := parse(t, file, env); !c.ClientSecret.IsZero() && c.Method != "cbl" {
		t.Errorf("an empty credential makes a public client; got a secret and method %q", c.Method)
	}
}

func TestSecretThatEverybodyCanReadIsAWarning(t *testing.T) {
	path := write(t, "secret", 0o644, "s")
	c := parse(t, `client_secret_file = "`+path+`"`, noEnv)
	if want := "c.toml:2: everybody on this device can read " + path + "; chmod 0640 " + path; len(c.Warnings) != 1 || c.Warnings[0] != want {
		t.Errorf("warnings %q, want %q", c.Warnings, want)
	}
}

func TestConfigNeverPrintsItsSecrets(t *testing.T) {
	c := parse(t, "code = \"ANdNAVhyhqirUelHGEHA\"\nclient_secret_file = \""+write(t, "secret", 0o600, "hush-hush")+"\"", noEnv)
	for _, text := range []string{sprint("%v", c), sprint("%+v", c), sprint("%#v", c)} {
		if strings.Contains(text, "hush") || strings.Contains(text, "ANdN") {
			t.Errorf("a secret is printed with the configuration: %s", text)
		}
	}
}

func TestRuntimeDirIsFoundInAFaultyFile(t *testing.T) {
	for text, want := range map[string]string{
		"":                         "/run/lwa-agent",
		"runtime_dir = \"/tmp/r\"": "/tmp/r",
		"clientid = 3\nruntime_dir = \"/tmp/r/\"\n[nonsense]\n":       "/tmp/r",
		"client_id = amzn1.unquoted\nruntime_dir = '/tmp/r' # here\n": "/tmp/r",
		"client_id =\n[device]\nruntime_dir = \"/other\"\n":           "/run/lwa-agent",
		"runtime_dir = \"relative\"":                                  "/run/lwa-agent",
		"runtime_dir = 3":                                             "/run/lwa-agent",
		"\ufeffruntime_dir = \"/tmp/r\"\r\n":                          "/tmp/r",
	} {
		if got := RuntimeDir(write(t, "c.toml", 0o600, text)); got != want {
			t.Errorf("runtime directory %q, want %q, of the file\n%s", got, want, text)
		}
	}
	if got := RuntimeDir(t.TempDir()); got != "/run/lwa-agent" {
		t.Errorf("runtime directory %q of a directory, want the default", got)
	}
	if got := RuntimeDir("/nonexistent"); got != "/run/lwa-agent" {
		t.Errorf("runtime directory %q of a missing file, want the default", got)
	}
}

func TestExampleHoldsEverySettingWithItsDefault(t *testing.T) {
	text := strings.Replace(exampleText(t), `client_id = ""`, `client_id = "`+goodID+`"`, 1)
	got, err := Parse("config.example.toml", []byte(text), noEnv)
	if err != nil {
		t.Fatalf("the example that people copy is refused:\n%v", err)
	}
	if want := parse(t, "", noEnv); !reflect.DeepEqual(got, want) {
		t.Errorf("the example changes a default:\n got %+v\nwant %+v", got, want)
	}

	// A # with no blank after it is a setting at its default.
	var all strings.Builder
	for line := range strings.Lines(text) {
		if len(line) > 2 && line[0] == '#' && line[1] != ' ' {
			line = line[1:]
		}
		all.WriteString(line)
	}
	got, err = Parse("config.example.toml", []byte(all.String()), noEnv)
	if err != nil {
		t.Fatalf("a setting of the example is wrong:\n%v", err)
	}
	want := parse(t, "", noEnv)
	want.Displays = []panel.Config{
		{Driver: "terminal", Device: "/dev/tty1"},
		{Driver: "ssd1306", Device: "/dev/i2c-1", Width: 128, Height: 64, Address: 0x3c},
		{Driver: "waveshare2in13v4", Device: "/dev/spidev0.0", DCPin: "GPIO25", ResetPin: "GPIO17", BusyPin: "GPIO24"},
		{Driver: "framebuffer", Device: "/dev/fb0", WidthMM: 73.4},
	}
	want.TokenFiles = []agent.TokenFile{{Path: "/run/lwa-agent/access_token", Mode: 0o640}}
	want.Access = []agent.Access{{User: "kodi", May: []string{"token"}}, {Group: "monitoring", May: []string{"status"}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the example names another default than the program has:\n got %+v\nwant %+v", got, want)
	}
	d, _ := readDocument("", []byte(all.String()))
	for table, names := range keys() {
		for _, name := range names {
			path := name
			if list := strings.Trim(table, "[]"); list != table {
				for i := range d.count[list] {
					path = fmt.Sprintf("%s[%d].%s", list, i, name)
					if _, ok := d.values[path]; ok {
						break
					}
				}
			} else if table != "" {
				path = table + "." + name
			}
			if _, ok := d.values[path]; !ok {
				t.Errorf("the example does not tell of %s", path)
			}
		}
	}
	if len(d.values) != 43 {
		t.Errorf("the example has %d settings, want 43: a key was added or lost, and its test with it", len(d.values))
	}
}

// exampleText is the file that the package installs for people to copy.
func exampleText(t testing.TB) string {
	t.Helper()
	return Example
}

func write(t *testing.T, name string, mode os.FileMode, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	put(t, path, mode, text)
	return path
}

func put(t *testing.T, path string, mode os.FileMode, text string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask is
		t.Fatal(err)
	}
}
