package image

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestImageOfOneDeviceIsRefusedWithTheCure(t *testing.T) {
	const config, dropIn = "etc/lwa-agent/config.toml", "usr/lib/systemd/system/lwa-agent.service.d/maker.conf"
	for _, test := range []struct {
		name, text, what, cure string
	}{
		{"etc/machine-id", "0123456789abcdef0123456789abcdef\n", "machine id", "truncate -s 0 "},
		{"var/lib/dbus/machine-id", "0123456789abcdef0123456789abcdef\n", "machine id", "rm "},
		{"var/lib/lwa-agent/link.json", "{}", "a link", "rm "},
		{"var/lib/lwa-agent/link.json.1", "{}", "a link", "rm "},
		{"var/lib/lwa-agent/serial_number", "1\n", "a serial number", "rm "},
		{"var/lib/lwa-agent/localhost.pem", "1\n", "the key of a certificate", "rm "},
		{"etc/credstore.encrypted/lwa-agent.store-key", "sealed", "the key of encrypted links", "rm "},
		{"etc/credstore/lwa-agent.store-key", "plain", "the key of encrypted links", "rm "},
		{"usr/lib/credstore.encrypted/lwa-agent.store-key", "sealed", "the key of encrypted links", "rm "},
		{dropIn, "[Service]\nSetCredentialEncrypted=store-key: \\\n  k6iUCUh0RJCQyvL8k8q1UyAAAAA=\n", "the key of encrypted links", "take it out"},
		{config, goodConfig + "[device]\nserial_number = \"1\"\n", "serial_number", "remove the line"},
		{config, goodConfig + "code = \"ANdNAVhyhqirUelHGEHA\"\n", "a code", "remove the line"},
		{"etc/credstore.encrypted/lwa-agent.client_secret", "x", "encrypted for one device", "rm "},
		{"var/lib/systemd/credential.secret", "x", "systemd's key", "rm "},
		{"var/spool/lwa-agent/code.txt", "ANdNAVhyhqirUelHGEHA", "a dropped code", "rm "},
		{"var/spool/lwa-agent/a b", "https://localhost:9745/authresponse?code=ANdNAVhyhqirUelHGEHA&state=x\n", "a dropped code", "a b'"},
		{config, "clint_id = \"x\"\n" + goodConfig, "unknown key clint_id", "did you mean client_id?"},
		{config, "state_dir =\n", "the value is missing", "write one"},
	} {
		i := built(t, map[string]string{test.name: test.text})
		err := i.Carries()
		if err == nil || !strings.Contains(err.Error(), test.what) || !strings.Contains(err.Error(), test.cure) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v; want %q and the cure", test.name, err, test.what)
		}
	}
	i := built(t, map[string]string{
		"srv/state/link.json": "{}", config: goodConfig + "state_dir = \"/srv/state\"\n",
		"data/lwa-agent/serial_number": "1", "etc/systemd/system/lwa-agent.service.d/state.conf": "[Service]\nEnvironment=\"STATE_DIRECTORY=/data/lwa-agent\" \"X=y\"\n",
		"srv/key": "plain", dropIn: "[Service]\nLoadCredential=store-key:/srv/key\n",
	})
	if err := i.Carries(); err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("state directories and a key elsewhere: %v; want all three", err)
	}
}

// TestWhatIsSaidCleansTheImageAndNothingElse runs the commands, in an image whose
// path has a blank, and beside files of somebody else's.
func TestWhatIsSaidCleansTheImageAndNothingElse(t *testing.T) {
	i := built(t, map[string]string{
		"my root/etc/machine-id": "0123456789abcdef0123456789abcdef\n", "my root/var/lib/dbus/machine-id": "0123456789abcdef0123456789abcdef\n",
		"my root/data/link.json": "{}", "my root/data/link.json.1": "{}", "my root/data/serial_number": "1", "my root/data/precious": "mine",
		"my root/etc/lwa-agent/config.toml": goodConfig + "state_dir = \"/data\"\n", "my root/etc/credstore.encrypted/lwa-agent.store-key": "sealed",
		"my root/var/spool/lwa-agent/my code": "ANdNAVhyhqirUelHGEHA", "my root/var/spool/lwa-agent/README": "Drop codes here, please.",
	})
	image, err := Open(i.path("my root"))
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close()
	for line := range strings.Lines(image.Carries().Error()) {
		_, command, _ := strings.Cut(strings.TrimSpace(line), "; clean it with: ")
		if out, err := exec.CommandContext(t.Context(), "sh", "-ec", command).CombinedOutput(); err != nil {
			t.Errorf("%s: %v %s", command, err, out)
		}
	}
	if err := image.Carries(); err != nil {
		t.Errorf("it was done, and there is still %v", err)
	}
	for _, name := range []string{"data/precious", "var/spool/lwa-agent/README"} {
		if _, err := image.root.Stat(name); err != nil {
			t.Errorf("a file of somebody else's is gone: %v", err)
		}
	}
}

// TestOnlyWhatCouldBeACodeIsTakenForOne: who reads that RESULT.txt is a code looks
// for one that is not there.
func TestOnlyWhatCouldBeACodeIsTakenForOne(t *testing.T) {
	const dir, code = "var/spool/lwa-agent/", "ANdNAVhyhqirUelHGEHA\n"
	i := built(t, map[string]string{
		dir + "RESULT.txt": "The device is linked.\n", dir + "README": "Drop codes here, please.\n", dir + "empty": "", dir + "large": strings.Repeat("x", 5000),
		dir + ".code.swp": code, dir + "code~": code, dir + "code.tmp": code, dir + "directory/code": code, "data/code": code,
	})
	if err := os.Symlink("/data/code", i.path(dir+"link")); err != nil {
		t.Fatal(err)
	}
	if err := i.Carries(); err != nil {
		t.Errorf("what the agent would take for no code either: %v", err)
	}
	if err := os.WriteFile(i.path(dir+"code"), []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := i.Carries(); err == nil || strings.Count(err.Error(), "\n") != 0 || !strings.HasSuffix(err.Error(), "clean it with: rm "+i.path(dir+"code")) {
		t.Errorf("a code beside them: %v; want that one and no other", err)
	}
}

// TestLinksInAnImageAreFollowedAsOnTheDevice: a state directory that is a link to
// a partition of its own has no less of a link in it.
func TestLinksInAnImageAreFollowedAsOnTheDevice(t *testing.T) {
	for name, links := range map[string]map[string]string{
		"an absolute link":               {"var/lib/lwa-agent": "/data/lwa-agent"},
		"one of a directory above":       {"var": "/data/var", "data/var/lib": "/data/lib", "data/lib/lwa-agent": "../lwa-agent"},
		"one that climbs above the root": {"var/lib/lwa-agent": "../../../../../data/lwa-agent"},
	} {
		i := built(t, map[string]string{"data/lwa-agent/link.json": "{}"})
		for link, target := range links {
			if err := errors.Join(os.MkdirAll(filepath.Dir(i.path(link)), 0o755), os.Symlink(target, i.path(link))); err != nil {
				t.Fatal(err)
			}
		}
		if err := i.Carries(); err == nil || !strings.Contains(err.Error(), "a link of one device") {
			t.Errorf("%s: %v; want the link that every device would have", name, err)
		}
	}
	i := built(t, map[string]string{"etc/machine-id": ""})
	for link, target := range map[string]string{"var/lib/lwa-agent": "/data/lwa-agent", "var/lib/dbus": "../dbus", "var/loop": "loop"} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(i.path(link)), 0o755), os.Symlink(target, i.path(link))); err != nil {
			t.Fatal(err)
		}
	}
	if err := i.Carries(); err != nil {
		t.Errorf("links to what is not there: %v", err)
	}
	if got := i.inside("var/loop"); got != "var/loop" {
		t.Errorf("a loop of links ends at %q", got)
	}
}

// TestWhatCannotBeLookedAtIsNoCleanImage: a check that sees nothing must not pass.
func TestWhatCannotBeLookedAtIsNoCleanImage(t *testing.T) {
	i := built(t, map[string]string{"var/lib/lwa-agent": "a file", "etc/machine-id/no": "file"})
	err := i.Carries()
	for _, want := range []string{i.path("var/lib/lwa-agent") + ": ", i.path("etc/machine-id") + ": no regular file; "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
}

const goodConfig = "client_id = \"amzn1.application-oa2-client.00112233445566778899aabbccddeeff\"\n"

func TestCheckOfAWrongDirectoryIsNoPraise(t *testing.T) {
	i := built(t, nil)
	if err := i.Complete(); err == nil || !strings.Contains(err.Error(), "is it the root of the image") {
		t.Errorf("an empty directory: %v", err)
	}
	i.install(t)
	if err := i.Complete(); err != nil {
		t.Error(err)
	}
}

func TestSystemThatRunsIsNoImage(t *testing.T) {
	mark := t.TempDir()
	if !isRunning("/", mark) || !isRunning("/../.", mark) {
		t.Error("who builds with a wrong variable would be told to clear the machine id of the machine that builds")
	}
	if isRunning(t.TempDir(), mark) || isRunning("/", mark+"/absent") {
		t.Error("an image, or a chroot into one, is taken for a system that runs")
	}
}

func TestImageThatIsCleanIsTaken(t *testing.T) {
	i := built(t, map[string]string{
		"etc/machine-id": "uninitialized\n", "var/lib/lwa-agent/lock": "", "etc/lwa-agent/config.toml": goodConfig + "[device]\nproduct_id = \"p\"\n",
		secretName: "of-the-product",
	})
	if err := i.Carries(); err == nil || !strings.Contains(err.Error(), "read by everybody") || !strings.Contains(err.Error(), "chmod 0600 ") {
		t.Errorf("a secret for all to read: %v", err)
	}
	if err := os.Chmod(i.path(secretName), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := i.Carries(); err != nil {
		t.Error(err)
	}
	if err := built(t, map[string]string{"etc/machine-id": ""}).Carries(); err != nil {
		t.Error(err)
	}
}
