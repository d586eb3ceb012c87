package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lwa-agent/agent"
	"lwa-agent/cmd/internal/config"
	"lwa-agent/lwa"

	"golang.org/x/sys/unix"
)

var (
	someID      = someClientID()
	otherID     = config.ClientIDPrefix + strings.Repeat("a1", 16)
	someSecret  = "amzn1.oa2-cs.v1." + strings.Repeat("5e", 32)
	otherSecret = "amzn1.oa2-cs.v1." + strings.Repeat("07", 32)
)

// person answers the questions of a setup.
type person struct {
	*terminal
	t         *testing.T
	shown     int // how much of the terminal was read
	questions int
	typed     int // characters, Enter included
}

func (f *playedAgent) setUp(args ...string) *person {
	f.t.Helper()
	return &person{terminal: f.sitDown(80, 24, append([]string{"setup"}, args...)...), t: f.t}
}

// told waits for words.
func (p *person) told(words string) {
	p.t.Helper()
	p.out.awaitAfter(p.t, p.shown, words)
	p.shown += strings.Index(p.out.String()[p.shown:], words) + len(words)
}

// asked waits for a question and answers it.
func (p *person) asked(question, answer string) {
	p.t.Helper()
	p.told(question)
	p.types(answer + "\n")
	p.questions++
	p.typed += len(answer) + 1
}

// echoes reports whether the terminal shows what is typed.
func (p *person) echoes() bool {
	p.t.Helper()
	mode, err := unix.IoctlGetTermios(int(p.keyboard.Fd()), unix.TCGETS)
	if err != nil {
		p.t.Fatal(err)
	}
	return mode.Lflag&unix.ECHO != 0
}

func (f *playedAgent) read(name string) string {
	f.t.Helper()
	text, err := os.ReadFile(filepath.Join(f.dir, name))
	if err != nil {
		f.t.Fatal(err)
	}
	return string(text)
}

// configured writes the configuration of before.
func (f *playedAgent) configured(text string) {
	f.t.Helper()
	if err := os.WriteFile(f.config, []byte("runtime_dir = \""+f.dir+"\"\n"+text), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// untouched fails if anything is in the device's directory that was not there before.
func (f *playedAgent) untouched(before, why string) {
	f.t.Helper()
	if after := f.read("config.toml"); after != before {
		f.t.Errorf("%s: the configuration was changed to\n%s", why, after)
	}
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "config.toml" && e.Name() != "agent.sock" {
			f.t.Errorf("%s: %s was left behind", why, e.Name())
		}
	}
}

func (f *playedAgent) load() config.Config {
	f.t.Helper()
	c, err := config.Load(f.config, noEnvironment)
	if err != nil {
		f.t.Fatalf("the agent does not take what was written: %v\n%s", err, f.read("config.toml"))
	}
	return c
}

func TestSetupForOtherDevicesAsksThreeQuestionsAndLinks(t *testing.T) {
	f := startFake(t, agent.Status{State: agent.Unlinked, Method: agent.MethodCBL, UserCode: "BEYHYS", VerificationURI: "https://amazon.com/us/code"})
	p := f.setUp()
	p.told("1  Other devices and platforms (recommended)")
	p.asked("1 or 2 [1]: ", "")
	p.told(consoleAddress)
	p.told(`Tab "Other devices and platforms", which may be called "TVs and Other`)
	p.asked("Client id: ", ` "`+someID+`" `) // as it comes out of a mail
	p.asked("Product id, if this is an Alexa product (else Enter): ", "")
	p.told("written: " + f.config)
	p.told("BEYHYS")
	f.publish(func(s *agent.Status) { *s = linked() })
	p.ends(0, "linked to the account of Jo Example")
	if c := f.load(); c.ClientID != someID || c.Method != agent.MethodCBL || c.RuntimeDir != f.dir {
		t.Errorf("written was %+v", c)
	}
	if extra := p.typed - len(someID); p.questions != 3 || extra > 8 {
		t.Errorf("%d questions and %d characters besides the client id", p.questions, extra)
	}
}

func TestSetupForWebSettingsNeverShowsTheSecret(t *testing.T) {
	f := startFake(t, unlinked())
	p := f.setUp()
	p.asked("1 or 2 [1]: ", "2")
	p.told("paste exactly this, and save:\r\n     https://localhost:9745/authresponse\r\n")
	p.asked("Client id: ", someID)
	p.told("Client secret (not shown): ")
	if p.echoes() {
		t.Error("the secret would be shown")
	}
	p.types(someSecret + "\n")
	p.asked("\r\nReturn URL [https://localhost:9745/authresponse]: ", "")
	if !p.echoes() {
		t.Error("after the secret the terminal shows nothing more that is typed")
	}
	p.asked("Product id", "MyRadio")
	p.told("Code or address: ")
	f.publish(func(s *agent.Status) { *s = linked() })
	p.ends(0, "linked")
	if strings.Contains(p.out.String(), someSecret[:20]) {
		t.Errorf("the secret is on the terminal:\n%s", p.out)
	}
	c := f.load()
	if c.ClientSecret.Reveal() != someSecret || c.Method != agent.MethodCode || c.Device.ProductID != "MyRadio" {
		t.Errorf("written was %+v", c)
	}
	if info, err := os.Stat(c.SecretFile); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the secret's file: %v %v, want 0600", info, err)
	}
	if strings.Contains(f.read("config.toml"), someSecret) {
		t.Error("the secret stands in the configuration, which others may read")
	}
}

func TestSetupAsksAgainAndGivesUpAfterThree(t *testing.T) {
	f := newFake(t, unlinked())
	before := f.read("config.toml")
	p := f.setUp()
	p.asked("1 or 2 [1]: ", "3")
	p.told("type 1 or 2")
	p.asked("1 or 2 [1]: ", "2")
	p.asked("Client id: ", "{"+someID+"}")
	p.told("client_id stands in braces or quotes that are not part of it; remove them")
	p.asked("Client id: ", "")
	p.told("client_id is missing; copy it from the security profile")
	p.asked("Client id: ", someSecret)
	p.ends(1, "lwa-agent: that is the client secret; what begins with "+config.ClientIDPrefix+" is the client id; nothing was changed")
	f.untouched(before, "three wrong answers")
}

func TestSetupRefusesWhatIsNoSecret(t *testing.T) {
	f := newFake(t, unlinked())
	p := f.setUp("--tab", "2", "--client-id", someID)
	for answer, words := range map[string]string{
		"two words": "not one word of plain characters",
		someID:      "that is the client id",
	} {
		p.asked("Client secret (not shown): ", answer)
		p.told(words)
	}
	p.asked("Client secret (not shown): ", "")
	p.ends(1, "lwa-agent: there is no client secret; copy it from the security profile in Amazon's developer console; nothing was changed")
	if strings.Contains(p.out.String(), "two words") {
		t.Error("what may be a secret with a slip in it was shown")
	}
}

// answers are those to all questions of tab 2.
var answers = [][2]string{
	{"1 or 2 [1]: ", "2"},
	{"Client id: ", someID},
	{"Client secret (not shown): ", someSecret},
	{"Return URL [https://localhost:9745/authresponse]: ", ""},
	{"Product id", ""},
}

func TestSetupLeftAtAnyQuestionChangesNothing(t *testing.T) {
	for n := range answers {
		for how, words := range map[string]string{
			"Ctrl-C": "nothing was changed",
			"Ctrl-D": "lwa-agent: there was no answer (EOF); nothing was changed",
		} {
			f := newFake(t, unlinked())
			before := f.read("config.toml")
			p := f.setUp()
			for _, a := range answers[:n] {
				p.asked(a[0], a[1])
			}
			p.told(answers[n][0])
			if how == "Ctrl-C" {
				p.stop() // main does so at SIGINT
			} else {
				p.types("\x04")
			}
			p.ends(1, words)
			f.untouched(before, how+" at "+answers[n][0])
			if !p.echoes() {
				t.Errorf("%s at %q leaves a terminal that shows nothing", how, answers[n][0])
			}
		}
	}
}

const lived = `# Mine.
client_id = "` + config.ClientIDPrefix + `00000000000000000000000000000000" # kitchen
scopes = ["profile"]
[[display]]
driver = "png" # for the frame
device = "/tmp/x.png"
[endpoints]
authorize = ""
`

func TestSetupChangesAConfigurationAndKeepsTheRest(t *testing.T) {
	f := startFake(t, unlinked())
	f.configured(lived)
	before := f.read("config.toml")
	p := f.setUp()
	p.told(f.config + " is there already, with the client id\r\n  " + someID)
	p.asked("Change it? [y/N] ", "y")
	p.asked("1 or 2 [1]: ", "")
	p.asked("Client id ["+someID+"]: ", otherID)
	p.asked("Product id", "")
	p.told("kept: " + f.config + ".old, as it was before")
	p.told("Code or address: ")
	p.stop()
	p.wait()
	if got := f.read("config.toml.old"); got != before {
		t.Errorf("kept was\n%s", got)
	}
	want := strings.Replace(before, someID, otherID, 1)
	if got := f.read("config.toml"); got != "method = \"cbl\"\n"+want {
		t.Errorf("written was\n%s\nwant all but two settings as it was:\n%s", got, before)
	}
	if info, err := os.Stat(f.config); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v: the mode that somebody chose is gone", info, err)
	}
}

func TestSetupThatIsNotToReplaceChangesNothing(t *testing.T) {
	f := newFake(t, unlinked())
	f.configured(lived)
	before := f.read("config.toml")
	p := f.setUp()
	p.asked("Change it? [y/N] ", "")
	p.ends(1, "nothing was changed; to link with it: lwa-agent --config ")
	f.untouched(before, "N")
	f.run("", "setup", "--tab", "1", "--client-id", otherID).expect(t, "a script did not say so", 2, "",
		"lwa-agent: --yes is missing, and there is no terminal to ask at; see: lwa-agent setup --help\n")
	f.untouched(before, "no --yes")
}

func TestSetupAgainTakesEveryAnswerFromBefore(t *testing.T) {
	f := newFake(t, unlinked())
	if r := f.run(someSecret, "setup", "--tab", "2", "--client-id", someID, "--client-secret-file", "-", "--product-id", "MyRadio", "--region", "eu"); r.exit != 0 {
		t.Fatalf("%+v", r)
	}
	before := f.read("config.toml")
	f.start()
	p := f.setUp()
	p.asked("Change it? [y/N] ", "y")
	p.asked("1 or 2 [2]: ", "")
	p.asked("Client id ["+someID+"]: ", "")
	p.asked("Client secret (not shown) [the one there is]: ", "")
	p.asked("Return URL [https://localhost:9745/authresponse]: ", "")
	p.asked("Product id of the Alexa product [MyRadio]: ", "")
	p.told("as it was: " + f.config)
	p.told("Code or address: ")
	p.stop()
	p.wait()
	europe, _ := lwa.RegionEndpoints("eu")
	if got := f.read("config.toml"); got != before {
		t.Errorf("changed to\n%s", got)
	}
	if c := f.load(); c.ClientSecret.Reveal() != someSecret || c.Endpoints != europe {
		t.Errorf("got lost: %+v", c)
	}
}

func TestSetupWantsTheSecretOfAnotherClient(t *testing.T) {
	f := newFake(t, unlinked())
	f.run(someSecret, "setup", "--tab", "2", "--client-id", someID, "--client-secret-file", "-")
	f.run("", "setup", "--yes", "--tab", "2", "--client-id", otherID).expect(t, "the old secret is of no use", 2, "",
		"lwa-agent: --client-secret-file is missing, and there is no terminal to ask at; see: lwa-agent setup --help\n")
	if r := f.run(otherSecret+"\r\n", "setup", "--yes", "--client-id", otherID, "--client-secret-file", "-"); r.exit != 0 {
		t.Fatalf("%+v", r)
	}
	if c := f.load(); c.ClientSecret.Reveal() != otherSecret || c.ClientID != otherID {
		t.Errorf("written was %+v", c)
	}
	// And a client without a secret gets none.
	if r := f.run("", "setup", "--yes", "--tab", "1", "--client-id", someID); r.exit != 0 {
		t.Fatalf("%+v", r)
	}
	if c := f.load(); !c.ClientSecret.IsZero() || c.Method != agent.MethodCBL {
		t.Errorf("written was %+v", c)
	}
}

func TestSetupTakesAnotherServersClient(t *testing.T) {
	f := newFake(t, unlinked())
	f.configured("[endpoints]\nauthorize = \"https://sso/a\"\ntoken = \"https://sso/t\"\n")
	// That server has no code-based linking, which is seen before more is asked.
	p := f.setUp("--tab", "1")
	p.ends(1, "endpoints.codepair is missing, which method \"cbl\" needs with a server of one's own")
	p = f.setUp("--tab", "2")
	p.told("The [endpoints] in " + f.config + " stay: register the return URL\r\n     https://localhost:9745/authresponse\r\nat that server.")
	p.asked("Client id: ", "radio")
	p.asked("Client secret (not shown): ", "s3cr3t")
	p.asked("Return URL", "http://localhost/x")
	p.asked("Product id", "")
	p.ends(0, "start it with: lwa-agent --config "+f.config+" run")
	if c := f.load(); c.ClientID != "radio" || c.Endpoints.Token != "https://sso/t" || c.RedirectURI != "http://localhost/x" {
		t.Errorf("written was %+v", c)
	}
}

func TestSetupAsksForTheProductThatScopesNeed(t *testing.T) {
	f := newFake(t, unlinked())
	f.configured("scopes = [\"alexa:all\"]\n")
	p := f.setUp("--tab", "1", "--client-id", someID)
	p.asked("Product id", "")
	p.told("the scope alexa:all needs a product_id")
	p.asked("Product id", "MyRadio")
	p.ends(0, "start it with")
	if c := f.load(); c.Device.ProductID != "MyRadio" {
		t.Errorf("written was %+v", c)
	}
}

func TestSetupFlagsThatAreWrongAreSaidBeforeAnythingIsAsked(t *testing.T) {
	f := newFake(t, unlinked())
	before := f.read("config.toml")
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, "--tab is missing, and there is no terminal to ask at; see: lwa-agent setup --help"},
		{[]string{"--tab", "1"}, "--client-id is missing, and there is no terminal to ask at; see: lwa-agent setup --help"},
		{[]string{"--tab", "2", "--client-id", someID}, "--client-secret-file is missing, and there is no terminal to ask at; see: lwa-agent setup --help"},
		{[]string{"--tab", "web"}, `--tab is "web"; write 1 for "Other devices and platforms" or 2 for "Web settings"; see: lwa-agent setup --help`},
		{[]string{"--tab", "1", "--redirect-uri", "x"}, "--redirect-uri belongs to --tab 2; see: lwa-agent setup --help"},
		{[]string{"--user", "x", "--no-user"}, "--user and --no-user are given; leave one out; see: lwa-agent setup --help"},
		{[]string{"--client-id", "x"}, "--client-id: client_id is not amzn1.application-oa2-client. and 32 hexadecimal digits; copy it again from the security profile in Amazon's developer console"},
		{[]string{"--client-id", ""}, "--client-id: client_id is missing; copy it from the security profile in Amazon's developer console"},
		{[]string{"--redirect-uri", "localhost"}, "--redirect-uri: redirect_uri is not an address; write all of it, as in https://host/path"},
		{[]string{"--region", "us"}, `--region: region "us" is unknown; write na (America), eu (Europe, Middle East, India) or fe (Japan, Australia, Singapore)`},
		{[]string{"--client-secret-file", "/nowhere"}, "--client-secret-file: open /nowhere: no such file or directory"},
		{[]string{"--client-secret-file", "-"}, "--client-secret-file: there is no client secret; copy it from the security profile in Amazon's developer console"},
	} {
		r := f.run("", append([]string{"setup"}, test.args...)...)
		r.expect(t, strings.Join(test.args, " "), 2, "", "lwa-agent: "+test.want+"\n")
	}
	if r := f.run("", "setup", "--user", "nobody-of-that-name"); r.exit != 2 || !strings.HasPrefix(r.err, "lwa-agent: --user: ") {
		t.Errorf("a user that there is not: %+v", r)
	}
	p := f.setUp("--region", "us")
	p.ends(2, `region "us" is unknown`)
	if strings.Contains(p.out.String(), "1 or 2") {
		t.Error("a question was asked before a fault was said that was known")
	}
	f.untouched(before, "wrong flags")
}

func TestSetupThatCannotWriteSaysSoBeforeItAsks(t *testing.T) {
	f := newFake(t, unlinked())
	dir := filepath.Join(f.dir, "etc")
	if err := os.Mkdir(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	want := "setup has to write " + dir + "/lwa/config.toml; run it as root: sudo lwa-agent --config " + dir + "/lwa/config.toml setup"
	if os.Geteuid() == 0 {
		if err := unix.Mount("setup", dir, "tmpfs", unix.MS_RDONLY, ""); err != nil {
			t.Skipf("no read-only file system to be had: %v", err)
		}
		t.Cleanup(func() { _ = unix.Unmount(dir, 0) })
		want = dir + " cannot be written: read-only file system; nothing was changed"
	}
	f.config = filepath.Join(dir, "lwa", "config.toml")
	p := f.setUp()
	p.ends(1, "lwa-agent: "+want)
	if strings.Contains(p.out.String(), "1 or 2") {
		t.Error("a question was asked, and the answer would have been for nothing")
	}
}

func TestSetupThatFailsToWriteLeavesTheOldConfiguration(t *testing.T) {
	f := newFake(t, unlinked())
	f.configured(lived)
	before := f.read("config.toml")
	// Where the file of before would be kept, something else is in the way.
	if err := os.MkdirAll(filepath.Join(f.dir, "config.toml.old", "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	r := f.run(someSecret, "setup", "--yes", "--tab", "2", "--client-id", otherID, "--client-secret-file", "-")
	if r.exit != 1 || !strings.HasSuffix(r.err, "nothing was changed\n") || strings.Count(r.err, "\n") != 1 {
		t.Errorf("%+v", r)
	}
	if err := os.RemoveAll(filepath.Join(f.dir, "config.toml.old")); err != nil {
		t.Fatal(err)
	}
	f.untouched(before, "it could not be kept")
}

func TestSetupSaysWhatIsWrongWithAFileBeforeItIsChanged(t *testing.T) {
	f := newFake(t, unlinked())
	for text, want := range map[string]string{
		"client_id =\n":                "config.toml:2: column 12: the value is missing; write one after the =, or remove the line",
		"[inbox]\npath = [\"/x\"]\n":   "config.toml:3: unknown key inbox.path; did you mean paths?",
		"client_id = 5\n":              `config.toml:2: client_id is a number, not text; write it in quotes: client_id = "…"`,
		"device = {serial_number=5}\n": "device.serial_number is a number",
	} {
		f.configured(text)
		before := f.read("config.toml")
		r := f.run("", "setup", "--yes", "--tab", "1", "--client-id", someID)
		if r.exit != 1 || !strings.Contains(r.err, want) {
			t.Errorf("%q: %+v, want %q", text, r, want)
		}
		f.untouched(before, "it was wrong before")
	}
}

func TestSetupFollowsALinkToTheConfiguration(t *testing.T) {
	f := newFake(t, unlinked())
	link := filepath.Join(f.dir, "link.toml")
	if err := os.Symlink("config.toml", link); err != nil {
		t.Fatal(err)
	}
	r := f.run("", "--config", link, "setup", "--tab", "1", "--client-id", someID)
	if _, err := os.Readlink(link); err != nil || r.exit != 0 || f.load().ClientID != someID {
		t.Errorf("%+v; the link: %v", r, err)
	}
}
