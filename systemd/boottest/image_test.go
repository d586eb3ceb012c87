//go:build boottest

package boottest

import (
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lwa-agent/agent"
	"lwa-agent/lwa"
	"lwa-agent/lwa/lwatest"
	"lwa-agent/systemd/debiantest"
)

// partition is a boot partition, and data another one, as directories that the
// machine mounts: vfat is not in every kernel.
const (
	partition = "/partitions/boot"
	data      = "/partitions/data"
)

// TestImageFromItsBuildToItsDevices is a maker's image: built by "lwa-agent
// install", with the link on a partition of its own, and configured by a file
// that somebody put on the card.
func TestImageFromItsBuildToItsDevices(t *testing.T) {
	debiantest.NeedRoot(t, tools)
	s := debiantest.Tell(t, os.Stdout)

	root, unpacked := debiantest.Root(t), filepath.Join(debiantest.Scratch(t), "package")
	program := filepath.Join(unpacked, "usr/bin/lwa-agent")
	s.Step("the package is built and unpacked, for its program", func() string {
		debiantest.Run(t, "dpkg-deb", "-x", debiantest.Package(t, debiantest.Native()), unpacked)
		return ""
	})
	s.Step("install writes into a root what the package has, byte for byte", func() string { return samePlaces(t, program, unpacked) })
	s.Step("an image of a device that ran is refused; what is said cleans it", func() string { return refusedAndCleaned(t, program, root) })
	s.Step("it is installed, with a partition for the link", func() string {
		hostWrite(t, root, "/etc/systemd/system/boot-firmware.mount", "[Mount]\nWhat="+partition+"\nWhere=/boot/firmware\nOptions=bind\n[Install]\nWantedBy=local-fs.target\n")
		hostWrite(t, root, "/etc/systemd/system/data.mount", "[Mount]\nWhat="+data+"\nWhere=/data\nOptions=bind\n[Install]\nWantedBy=local-fs.target\n")
		for _, dir := range []string{partition, data, "/var/log/journal", "/data", "/boot/firmware"} {
			if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		debiantest.Run(t, "systemctl", "--root="+root, "enable", "boot-firmware.mount", "data.mount")
		said := debiantest.Run(t, program, "install", "--root", root)
		for example, dir := range map[string]string{"state.conf": "lwa-agent.service.d/", "encrypt.conf": "lwa-agent.service.d/", "lwa-agent-store-key.service": ""} {
			text, err := os.ReadFile(filepath.Join(root, "usr/share/doc/lwa-agent/examples", example))
			if err != nil {
				t.Fatal(err)
			}
			hostWrite(t, root, "/etc/systemd/system/"+dir+example, string(text))
		}
		debiantest.Run(t, "systemctl", "--root="+root, "enable", "lwa-agent-store-key")
		debiantest.Run(t, program, "install", "--root", root, "--check")
		return strings.ReplaceAll(said, unpacked, "…")
	})
	s.Step("somebody puts the configuration on the card", func() string {
		hostWrite(t, root, partition+"/lwa-agent.toml.txt", strings.ReplaceAll(config, "\n", "\r\n"))
		hostWrite(t, root, partition+"/lwa-agent.client_secret", lwatest.WebClientSecret+"\r\n")
		return "as Windows saves it"
	})

	d := &device{amazon: serveAmazon(t, root), secrets: []string{lwatest.WebClientSecret}}
	s.Step("first boot: the agent starts with it", func() string {
		d.machine = boot(t, root)
		d.awaitBoot()
		d.noFailedUnits()
		d.awaitStatus(20*time.Second, "a link to be offered", offered)
		return d.takenOver()
	})
	s.Step("linked by a dropped code; the link is on its partition", func() string {
		d.networkUp()
		redirect, _ := d.allow()
		d.write("/var/spool/lwa-agent/code", redirect)
		d.awaitStatus(time.Minute, "the device to be linked", linked)
		if key := d.must("stat", "-c", "%a %U:%G", storedKey); key != "600 root:root" {
			t.Errorf("the key that the device made is %s", key)
		}
		if report, _ := d.run("lwa-agent", "doctor"); !strings.Contains(report, "/data/lwa-agent, ") || !strings.Contains(report, "the link encrypted with the key ") {
			t.Errorf("the doctor does not know where the link is, or that it is encrypted:\n%s", report)
		}
		return d.stateElsewhere()
	})
	s.Step("a card with a mistake: reported on the card, and the device goes on", func() string {
		hostWrite(t, root, partition+"/lwa-agent.toml", "client_id = \""+lwatest.WebClientID+"\nregion = \"mars\"\n")
		d.reboot()
		d.networkUp()
		st := d.awaitStatus(time.Minute, "it to be linked as before", linked)
		if !slices.Contains(st.Warnings, agent.CardRefused()) {
			t.Errorf("nobody who looks at the status hears that the card was refused: %+v", st.Warnings)
		}
		report := d.must("cat", "/boot/firmware/lwa-agent-RESULT.txt")
		if !strings.Contains(report, "lwa-agent.toml:1: ") {
			t.Errorf("the report does not name the line:\n%s", report)
		}
		return strings.Join(strings.Split(strings.ReplaceAll(report, "\r", ""), "\n"), " | ")
	})
	s.Step("mended: taken over at the next boot, still linked", func() string {
		hostWrite(t, root, partition+"/lwa-agent.toml", config+"\n[device]\nproduct_id = \"\" # mended\n")
		d.reboot()
		d.networkUp()
		if st := d.awaitStatus(time.Minute, "it to be linked as before", linked); slices.Contains(st.Warnings, agent.CardRefused()) {
			t.Errorf("the card is mended, and the status warns still: %+v", st.Warnings)
		}
		d.noFailedUnits()
		if text := d.must("cat", "/etc/lwa-agent/config.toml"); !strings.Contains(text, "# mended") {
			t.Errorf("the configuration is the old one:\n%s", text)
		}
		return d.stateElsewhere()
	})
	s.Step("moving in: the token of three shell scripts", func() string { return d.movesIn() })
	s.Step("no secret in journal, arguments, environment or modes of files", func() string {
		journal := d.must("journalctl", "--no-pager", "--all", "-o", "export")
		for _, secret := range append(d.secrets, "Atza|", "Atzr|") {
			if strings.Contains(journal, secret) {
				t.Errorf("the journal holds a secret that begins with %.5q", secret)
			}
		}
		return fmt.Sprintf("%d KiB of journal", len(journal)>>10)
	})
	for _, v := range append(d.amazon.Violations(), d.amazon.CodesSentTwice()...) {
		t.Errorf("Amazon complains: %s", v)
	}
}

func hostWrite(t *testing.T, root, path, text string) {
	t.Helper()
	path = filepath.Join(root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// samePlaces compares what the package has with what install writes. What only
// the package has is told by name.
func samePlaces(t *testing.T, program, unpacked string) string {
	t.Helper()
	installed := t.TempDir()
	debiantest.Run(t, program, "install", "--root", installed)
	ours, theirs := files(t, installed), files(t, unpacked)
	// Texts about the package: nothing that runs reads them.
	for _, name := range []string{"README.md", "errors.md", "copyright", "changelog.gz"} {
		if _, has := theirs["usr/share/doc/lwa-agent/"+name]; !has {
			t.Errorf("the package has no %s", name)
		}
		delete(theirs, "usr/share/doc/lwa-agent/"+name)
	}
	delete(theirs, "usr/share/lintian/overrides/lwa-agent")
	maps.DeleteFunc(theirs, func(name, _ string) bool { return strings.HasPrefix(name, "usr/share/man/") })
	for name, theirs := range theirs {
		if ours[name] != theirs {
			t.Errorf("%s is %.60q in an image, %.60q in the package", name, ours[name], theirs)
		}
		delete(ours, name)
	}
	links := 0
	for name := range ours {
		if links++; !strings.HasPrefix(name, "etc/systemd/system/") { // the package's scripts make those
			t.Errorf("an image gets %s, the package does not have it", name)
		}
	}
	return fmt.Sprintf("%d files, and %d links to start them", len(theirs), links)
}

// files returns mode, size and text of every file below dir.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name := strings.TrimPrefix(path, dir+"/")
		if strings.HasPrefix(name, "lib/") {
			name = "usr/" + name // one directory, on every Debian that we support
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		text := []byte("a link")
		if info.Mode().IsRegular() {
			text, err = os.ReadFile(path)
		}
		all[name] = fmt.Sprintf("%v %d %s", info.Mode(), len(text), text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// refusedAndCleaned runs the commands that are said, word for word.
func refusedAndCleaned(t *testing.T, program, root string) string {
	t.Helper()
	hostWrite(t, root, "/etc/machine-id", "0123456789abcdef0123456789abcdef\n")
	hostWrite(t, root, "/var/lib/lwa-agent/link.json", "{}")
	hostWrite(t, root, "/var/lib/lwa-agent/serial_number", "1\n")
	out, err := exec.CommandContext(t.Context(), program, "install", "--root", root).CombinedOutput()
	if err == nil {
		t.Fatalf("an image with a machine id and a link was taken: %s", out)
	}
	cures := 0
	for line := range strings.Lines(string(out)) {
		if _, cure, found := strings.Cut(strings.TrimSpace(line), "; clean it with: "); found {
			cures++
			debiantest.Run(t, "sh", "-ec", cure)
		}
	}
	debiantest.Run(t, program, "install", "--root", root)
	return fmt.Sprintf("%d commands", cures)
}

// takenOver checks what became of the card.
func (d *device) takenOver() string {
	d.t.Helper()
	for path, want := range map[string]string{
		"/etc/lwa-agent/config.toml": "644 root:root",
		"/etc/credstore":             "700 root:root",
		storedSecret:                 "600 root:root",
		"/data/lwa-agent":            "700 lwa-agent:lwa-agent",
	} {
		if got := d.must("stat", "-c", "%a %U:%G", path); got != want {
			d.t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	if left := d.must("ls", "-A", "/boot/firmware"); left != "lwa-agent-RESULT.txt\nlwa-agent-taken.toml" {
		d.t.Errorf("on the card are %q; the secret and the taken file would be found there at each boot", left)
	}
	at := func(unit, property string) string { return d.property(unit, property) }
	if done, started := at("lwa-agent-provision", "ExecMainExitTimestampMonotonic"), at("lwa-agent", "ExecMainStartTimestampMonotonic"); len(done) > len(started) || len(done) == len(started) && done > started {
		d.t.Errorf("the agent started at %s µs, before the card was read at %s", started, done)
	}
	return strings.Split(d.must("cat", "/boot/firmware/lwa-agent-RESULT.txt"), "\r\n")[0]
}

func (d *device) stateElsewhere() string {
	d.t.Helper()
	there := strings.Fields(d.must("ls", "-A", "/data/lwa-agent"))
	if !slices.Contains(there, "link.json") || !slices.Contains(there, "serial_number") {
		d.t.Errorf("in /data/lwa-agent are %q; the link is to be there", there)
	}
	if _, err := d.run("test", "-e", "/var/lib/lwa-agent"); err == nil {
		d.t.Error("something is in /var/lib/lwa-agent; with a read-only root the agent would not start")
	}
	return strings.Join(there, " ")
}

// movesIn signs in as three shell scripts do, and has the agent take that over.
func (d *device) movesIn() string {
	d.t.Helper()
	client := lwa.Client{ID: lwatest.WebClientID, Scopes: []string{"profile"}, Endpoints: lwa.Endpoints{Authorize: "http://" + amazonAddress + "/ap/oa"}}
	attempt := lwa.NewAttempt(lwatest.ReturnURL)
	_, code := allow(d.t, d.amazon, client.AuthorizeURL(attempt))
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {lwatest.ReturnURL},
		"client_id": {lwatest.WebClientID}, "client_secret": {lwatest.WebClientSecret}, "code_verifier": {attempt.Verifier.Reveal()},
	}
	request, err := http.NewRequestWithContext(d.t.Context(), http.MethodPost, "https://api.amazon.com/auth/o2/token", strings.NewReader(form.Encode()))
	if err != nil {
		d.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := d.amazon.RoundTripper().RoundTrip(request)
	if err != nil {
		d.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	said := d.mustAs("root", "lwa-agent import --replace --serial-number G0911B0523", string(text))
	st := d.awaitStatus(10*time.Second, "it to be linked", linked)
	if st.SerialNumber != "G0911B0523" {
		d.t.Errorf("the serial number is %s", st.SerialNumber)
	}
	d.wantToken(d.mustAs("root", "lwa-agent token | tr -d '\\n' | sha256sum"))
	d.must("systemctl", "restart", "lwa-agent")
	d.awaitStatus(20*time.Second, "the same after a restart", func(s agent.Status) bool { return linked(s) && s.SerialNumber == "G0911B0523" })
	return strings.ReplaceAll(said, "\n", ", ")
}
