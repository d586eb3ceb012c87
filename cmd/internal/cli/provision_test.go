package cli

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// sdCard is a device's boot partition, and its /etc.
type sdCard struct {
	t         *testing.T
	boot, etc string
	said      bytes.Buffer
}

func newCard(t *testing.T) *sdCard {
	c := &sdCard{t: t, boot: t.TempDir(), etc: t.TempDir()}
	return c
}

func (c *sdCard) put(name, text string) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.boot, name), []byte(text), 0o644); err != nil {
		c.t.Fatal(err)
	}
}

func (c *sdCard) at() (config, credential string) {
	return filepath.Join(c.etc, "lwa-agent/config.toml"), filepath.Join(c.etc, "credstore/lwa-agent.client_secret")
}

// start is a boot of the device.
func (c *sdCard) start() error {
	c.t.Helper()
	config, credential := c.at()
	c.said.Reset()
	p := provision{app: &app{Streams: Streams{Out: &c.said}}, boot: c.boot, config: config, credential: credential}
	_, err := p.run()
	return err
}

func (c *sdCard) read(path string) string {
	c.t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		c.t.Fatal(err)
	}
	return string(text)
}

func (c *sdCard) result() string { return c.read(filepath.Join(c.boot, provisionResult)) }

// onCard lists the partition.
func (c *sdCard) onCard() string {
	c.t.Helper()
	entries, err := os.ReadDir(c.boot)
	if err != nil {
		c.t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

const (
	firstClient  = "client_id = \"amzn1.application-oa2-client.00112233445566778899aabbccddeeff\"\r\n"
	secondClient = "client_id = \"amzn1.application-oa2-client.ffeeddccbbaa99887766554433221100\"\n"
	clientSecret = "amzn1.oa2-cs.v1.hush"
)

func TestCardOfAFirstBootIsTakenOverAndTheSecretGone(t *testing.T) {
	c := newCard(t)
	c.put("lwa-agent.toml.txt", firstClient) // what Notepad makes of the name
	c.put(provisionedSecret, clientSecret+"\r\n")
	if err := c.start(); err != nil {
		t.Fatal(err)
	}
	config, credential := c.at()
	if c.read(config) != firstClient || c.read(credential) != clientSecret+"\n" {
		t.Errorf("the configuration is %q, the secret %d bytes", c.read(config), len(c.read(credential)))
	}
	for path, want := range map[string]os.FileMode{config: 0o644, credential: 0o600, filepath.Dir(credential): 0o700 | os.ModeDir} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v; want %v", path, info.Mode(), err, want)
		}
	}
	if got := c.onCard(); got != "lwa-agent-RESULT.txt lwa-agent-taken.toml" {
		t.Errorf("on the card are %s; the secret would lie about", got)
	}
	for _, line := range []string{"The configuration was taken over from lwa-agent.toml.txt.\r\n", "The client secret was removed from this partition."} {
		if !strings.Contains(c.result(), line) {
			t.Errorf("the report lacks %q:\n%s", line, c.result())
		}
	}
	if strings.Contains(c.result()+c.said.String(), "hush") {
		t.Error("the report shows the secret")
	}
	before := c.result()
	if err := c.start(); err != nil || c.result() != before || c.said.Len() > 0 {
		t.Errorf("the next boot: %v, %q; there is nothing to do any more", err, c.said.String())
	}
}

func TestMistakeOnTheCardIsReportedAndChangesNothing(t *testing.T) {
	link := func(target string) func(string) error {
		return func(path string) error { return os.Symlink(target, path) }
	}
	for name, test := range map[string]struct {
		toml, secret string
		make         func(path string) error // of the configuration, where it is no file
		want         string
	}{
		"no TOML":              {toml: "client id = 5", want: "lwa-agent.toml:1: "},
		"another's client id":  {toml: "# mine\nclient_id = \"{amzn1}\"", want: "lwa-agent.toml:2: client_id stands in braces"},
		"unknown key":          {toml: firstClient + "clientsecret = \"x\"", want: "lwa-agent.toml:2: "},
		"nothing":              {toml: "", secret: "s", want: "client_id is missing"},
		"a page of the web":    {toml: "<html>\x00\xff</html>", want: "lwa-agent.toml:1: "},
		"UTF-16":               {toml: "\xff\xfec\x00", want: "save it as UTF-8"},
		"as large as a film":   {toml: strings.Repeat("#", 100_000), want: "larger than 64 KiB"},
		"a link":               {make: link("/etc/shadow"), want: "it is a link"},
		"a link to nothing":    {make: link("/nowhere"), want: "it is a link"},
		"a directory":          {make: func(path string) error { return os.Mkdir(path, 0o755) }, want: "it is no regular file"},
		"a pipe":               {make: func(path string) error { return unix.Mkfifo(path, 0o644) }, want: "it is no regular file"},
		"a secret of two":      {toml: firstClient, secret: "hush hush", want: "lwa-agent.client_secret is not one word"},
		"an empty secret":      {toml: firstClient, secret: "\n", want: "lwa-agent.client_secret is empty"},
		"needs a product":      {toml: firstClient + "scopes = [\"alexa:all\"]", secret: "s", want: "lwa-agent.toml:2: the scope alexa:all needs a product_id"},
		"a code, twice though": {toml: firstClient + firstClient, want: "lwa-agent.toml:"},
	} {
		c := newCard(t)
		config, credential := c.at()
		for path, text := range map[string]string{config: secondClient, credential: "kept\n"} {
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		path := filepath.Join(c.boot, provisionedConfig)
		if test.make != nil {
			if err := test.make(path); err != nil {
				t.Fatal(err)
			}
		} else {
			c.put(provisionedConfig, test.toml)
		}
		if test.secret != "" {
			c.put(provisionedSecret, test.secret)
		}
		err := c.start()
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(c.result(), test.want) || !strings.Contains(err.Error(), ";") {
			t.Errorf("%s: %v; want %q and what to do, and that in the report, which is\n%s", name, err, test.want, c.result())
		}
		if strings.Contains(c.result(), "hush") || strings.ContainsAny(strings.ReplaceAll(c.result(), "\r\n", ""), "\x00\n\r") {
			t.Errorf("%s: the report is not plain lines, or shows the secret: %q", name, c.result())
		}
		if c.read(config) != secondClient || c.read(credential) != "kept\n" {
			t.Errorf("%s: the configuration of before is gone", name)
		}
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("%s: the file that was refused is gone: %v", name, err)
		}
	}
}

func TestWhoHasNoConfigurationIsSentToTheOneThatWasRefused(t *testing.T) {
	c := newCard(t)
	asked := func() string { return cureOfNoConfig([]string{filepath.Join(c.boot, "absent"), c.boot}) }
	if got := asked(); !strings.Contains(got, "lwa-agent setup") {
		t.Errorf("nothing is on the card: %q", got)
	}
	c.put(provisionedConfig, "clientid")
	if err := c.start(); err == nil {
		t.Fatal("a mistake was taken over")
	}
	if got := asked(); !strings.HasSuffix(got, "cat "+filepath.Join(c.boot, provisionResult)) {
		t.Errorf("whoever asks a device with a refused configuration would write another by hand: %q", got)
	}
	c.put(provisionedConfig, firstClient)
	if err := c.start(); err != nil {
		t.Fatal(err)
	}
	if got := asked(); !strings.Contains(got, "lwa-agent setup") {
		t.Errorf("it was taken over: %q", got)
	}
}

func TestReportIsNotWrittenThroughALink(t *testing.T) {
	c := newCard(t)
	victim := filepath.Join(c.etc, "victim")
	if err := errors.Join(os.WriteFile(victim, []byte("mine"), 0o644), os.Symlink(victim, filepath.Join(c.boot, provisionResult))); err != nil {
		t.Fatal(err)
	}
	c.put(provisionedConfig, firstClient)
	if err := c.start(); err != nil || c.read(victim) != "mine" {
		t.Errorf("%v; the file behind the link is now %q", err, c.read(victim))
	}
}

func TestNewClientOnTheCardDoesNotGetTheOldSecret(t *testing.T) {
	c := newCard(t)
	config, credential := c.at()
	c.put(provisionedConfig, firstClient)
	c.put(provisionedSecret, clientSecret)
	if err := c.start(); err != nil {
		t.Fatal(err)
	}
	c.put(provisionedConfig, firstClient+"region = \"eu\"\r\n")
	if err := c.start(); err != nil || c.read(credential) != clientSecret+"\n" {
		t.Errorf("a setting was changed (%v), and the secret of the same client is %d bytes", err, len(c.read(credential)))
	}
	if got := c.read(config + ".old"); got != firstClient {
		t.Errorf("kept is %q, want the one before", got)
	}
	c.put(provisionedConfig, secondClient)
	if err := c.start(); err != nil {
		t.Fatal(err)
	}
	if c.read(credential) != "" || c.read(credential+".old") != clientSecret+"\n" {
		t.Error("another client id would be sent with the secret of the one before")
	}
	c.put(provisionedSecret, "another")
	if err := c.start(); err != nil || c.read(credential) != "another\n" || c.read(config) != secondClient {
		t.Errorf("a secret alone: %v, %q", err, c.read(credential))
	}
}

func TestCardThatCannotBeWrittenIsTakenOverOnce(t *testing.T) {
	c := newCard(t)
	c.put(provisionedConfig, firstClient)
	if err := unix.Mount(c.boot, c.boot, "", unix.MS_BIND, ""); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("only root may mount, and only outside of some containers: %v", err)
		}
		t.Skipf("SKIPPED, NOTHING TESTED: only root may mount: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(c.boot, unix.MNT_DETACH) })
	if err := unix.Mount("", c.boot, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if err := c.start(); err == nil || !strings.Contains(err.Error(), "read-only file system; remove lwa-agent.toml there yourself") {
		t.Errorf("%v; want that it is left there", err)
	}
	config, _ := c.at()
	if c.read(config) != firstClient {
		t.Error("it was not taken over")
	}
	if err := os.WriteFile(config, []byte(secondClient), 0o644); err != nil { // setup, say
		t.Fatal(err)
	}
	if err := c.start(); err != nil || c.read(config) != secondClient {
		t.Errorf("%v; the next boot has undone what was changed on the device: %q", err, c.read(config))
	}
}
