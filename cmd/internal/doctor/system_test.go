package doctor_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"lwa-agent/lwa/lwatest"
)

const (
	agentUID, agentGID = 4100, 4100
	joUID, samUID      = 4201, 4202
	kimUID, leeUID     = 4203, 4204 // of rules
)

// installed makes the machine one with the package: its users and groups, and a
// systemd that says of its units what change makes of the usual.
func installed(t *testing.T, change func(core, display map[string]string)) *ward {
	t.Helper()
	passwd := fmt.Sprintf("root:x:0:0::/root:/bin/sh\nlwa-agent:x:%d:%d::/:/bin/false\nlwa-agent-display:x:4101:4101::/:/bin/false\njo:x:%d:%[3]d::/:/bin/sh\nsam:x:%d:%[4]d::/:/bin/sh\n", agentUID, agentGID, joUID, samUID)
	group := fmt.Sprintf("root:x:0:\nlwa-agent:x:%d:jo\nlwa-agent-display:x:4101:lwa-agent\nvideo:x:44:\ntty:x:5:\ni2c:x:998:\nspi:x:997:\ngpio:x:996:\n", agentGID)
	for path, text := range map[string]string{"/etc/passwd": passwd, "/etc/group": group, "/etc/nsswitch.conf": "passwd: files\ngroup: files\n"} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	w := newWard(t, lwatest.Options{})
	if err := os.Chmod(w.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"state", "inbox"} {
		_ = os.Chown(w.path(name), agentUID, agentGID)
	}
	_ = os.Chmod(w.path("inbox"), 0o770)
	_ = os.Chmod(w.path("run"), 0o755)
	_ = os.MkdirAll("/etc/lwa-agent", 0o755)
	_ = os.MkdirAll("/etc/credstore", 0o700)
	w.patient.ConfigPath = "/etc/lwa-agent/config.toml"
	w.edit = func(string) string {
		return strings.Replace(w.device.Config(), "method =", "redirect_uri = \"https://localhost:"+w.ports[0]+"/authresponse\"\nmethod =", 1)
	}
	_ = os.Chown(w.path("secret"), 0, agentGID)
	_ = os.Chmod(w.path("secret"), 0o640)
	w.systemd(change)
	return w
}

// systemd puts a systemctl first in PATH that answers as the real one does.
func (w *ward) systemd(change func(core, display map[string]string)) {
	w.Helper()
	usual := func(name string) map[string]string {
		return map[string]string{
			"Id": name + ".service", "LoadState": "loaded", "ActiveState": "active", "SubState": "running", "Result": "success",
			"ExecMainStatus": "0", "NRestarts": "0", "UnitFileState": "enabled", "ConditionResult": "yes", "NeedDaemonReload": "no",
			"MainPID": "0", "DropInPaths": "", "User": name, "Environment": "GOMEMLIMIT=40MiB",
			"NoNewPrivileges": "yes", "ProtectSystem": "strict", "ProtectHome": "yes", "PrivateDevices": "yes", "PrivateTmp": "yes",
			"MemoryDenyWriteExecute": "yes", "RestrictNamespaces": "yes", "CapabilityBoundingSet": "", "LimitCORE": "0",
		}
	}
	core, display := usual("lwa-agent"), usual("lwa-agent-display")
	display["SupplementaryGroups"], display["PrivateDevices"] = "video tty i2c spi gpio", "no"
	core["version"] = "252"
	provision := map[string]string{"Id": "lwa-agent-provision.service", "LoadState": "loaded", "ActiveState": "inactive"}
	change(core, display)
	if state, is := core["provision ActiveState"]; is {
		provision["ActiveState"] = state
		delete(core, "provision ActiveState")
	}
	var text strings.Builder
	for _, u := range []map[string]string{core, display, provision} {
		for key, value := range u {
			fmt.Fprintf(&text, "%s=%s\n", key, value)
		}
		text.WriteString("\n")
	}
	w.write("units", text.String())
	_ = os.Chmod(w.path("units"), 0o644)
	_ = os.Mkdir(w.path("bin"), 0o755)
	script := "#!/bin/sh\ncase $1 in show) cat " + w.path("units") + " ;; --version) echo 'systemd " + core["version"] + " (252.39-1~deb12u1)' ;; esac\n"
	if err := os.WriteFile(w.path("bin/systemctl"), []byte(script), 0o755); err != nil {
		w.Fatal(err)
	}
	w.Setenv("PATH", w.path("bin")+":"+os.Getenv("PATH"))
}

// configure writes the configuration where the package has it.
func (w *ward) install() {
	w.Helper()
	if err := os.WriteFile(w.patient.ConfigPath, []byte(w.edit("")+w.more), 0o644); err != nil {
		w.Fatal(err)
	}
}

func unchanged(core, display map[string]string) {}

func set(pairs ...string) func(core, display map[string]string) {
	return func(core, display map[string]string) {
		for i := 0; i < len(pairs); i += 2 {
			if key, is := strings.CutPrefix(pairs[i], "display "); is {
				display[key] = pairs[i+1]
			} else {
				core[pairs[i]] = pairs[i+1]
			}
		}
	}
}

// TestEachFaultOfASystemIsNamed makes those that need users, disks and units of
// their own. systemd's part is played, in its own words; the boot test has the
// real one.
func TestEachFaultOfASystemIsNamed(t *testing.T) {
	if !inMachine(t) {
		return
	}
	for _, i := range []struct {
		name, line string
		units      func(core, display map[string]string)
		make       func(*ward)
	}{
		{"all well", "ok units: lwa-agent.service and lwa-agent-display.service run, and start at boot", unchanged, nothing},
		{"service stopped", "fault units: lwa-agent.service is stopped", set("ActiveState", "inactive"), nothing},
		{"service without configuration", "fault units: lwa-agent.service was not started: there is no ", set("ActiveState", "inactive", "ConditionResult", "no"), nothing},
		{"service that crashes", "fault units: lwa-agent.service ends: status 2, result exit-code", set("SubState", "auto-restart", "Result", "exit-code", "ExecMainStatus", "2"), nothing},
		{"service that crashed often", "warning units: lwa-agent.service was started again 12 times", set("NRestarts", "12"), nothing},
		{"service of a group that is missing", "fault units: lwa-agent.service ends: a group of the unit does not exist (216/GROUP)", set("ActiveState", "failed", "ExecMainStatus", "216"), nothing},
		{"service of a credential that is missing", "fault units: lwa-agent.service ends: a credential cannot be read (243/CREDENTIALS)", set("ActiveState", "failed", "ExecMainStatus", "243"), nothing},
		{"service of another processor", "fault units: lwa-agent.service ends: the program cannot be run (203/EXEC)", set("ActiveState", "failed", "ExecMainStatus", "203"), nothing},
		{"service that is off", "warning units: lwa-agent.service does not start at boot (disabled)", set("UnitFileState", "disabled"), nothing},
		{"unit that was edited", "warning units: lwa-agent.service was changed and runs as it was before", set("NeedDaemonReload", "yes"), nothing},
		{"configuration refused on the boot partition", "fault config: what is on the boot partition was not taken over", set("provision ActiveState", "failed"), nothing},
		{"configuration refused on the boot partition, and none before", "fault config: what is on the boot partition was not taken over", set("provision ActiveState", "failed"), func(w *ward) { _ = os.Remove(w.patient.ConfigPath) }},
		{"display stopped", "warning units: lwa-agent-display.service is stopped", set("display ActiveState", "inactive"), nothing},
		{"no unit for displays", "ok units: lwa-agent.service runs, and starts at boot", set("display LoadState", "not-found"), nothing},
		{"link kept elsewhere by the unit", "ok state: /srv/elsewhere is made at the first start", set("Environment", "GOMEMLIMIT=40MiB STATE_DIRECTORY=/srv/elsewhere"), func(w *ward) {
			w.replace("state_dir", "# state_dir")
			w.install()
		}},
		{"unit not installed", "warning units: lwa-agent.service is not installed", set("LoadState", "not-found"), nothing},
		{"sandbox weakened", "warning sandbox: a drop-in takes away from the sandbox of lwa-agent.service: ProtectSystem=no, PrivateDevices=no", set("ProtectSystem", "no", "PrivateDevices", "no"), nothing},
		{"sandbox not in force", "warning sandbox: the running agent lacks an empty set of capabilities, NoNewPrivileges=", set("MainPID", fmt.Sprint(os.Getpid())), nothing},
		{"systemd too old", "fault versions: systemd 247 is too old for the units", set("version", "247"), nothing},
		{"proxy of the shell alone", "warning proxy: your shell has a proxy, the agent has none", unchanged, func(w *ward) {
			w.patient.Env = func(name string) string { return map[string]string{"HTTPS_PROXY": "http://proxy.example:3128"}[name] }
		}},
		{"group missing", "fault access: there is no group i2c, and the units do not start without it", unchanged, func(w *ward) { w.groups("i2c:x:998:\n", "") }},
		{"user missing", "fault access: there is no user lwa-agent-display", unchanged, func(w *ward) {
			_ = os.WriteFile("/etc/passwd", []byte(fmt.Sprintf("root:x:0:0::/:\nlwa-agent:x:%d:%d::/:\n", agentUID, agentGID)), 0o644)
		}},
		{"agent outside of the displays' group", "fault access: the agent is not in the group lwa-agent-display", unchanged, func(w *ward) { w.groups("display:x:4101:lwa-agent", "display:x:4101:") }},
		{"configuration that the agent may not read", "fault config: the agent may not read /etc/lwa-agent/config.toml", unchanged, func(w *ward) { _ = os.Chmod(w.patient.ConfigPath, 0o600) }},
		{"state of another user", "fault state: 1 of what is in STATE is not the agent's own", unchanged, func(w *ward) { _ = os.Chown(w.path("state"), 0, 0) }},
		{"drop directory of another user", "fault inbox: the agent may not read INBOX", unchanged, func(w *ward) { _ = os.Chown(w.path("inbox"), 0, 0) }},
		{"key that nobody has made", "warning state: a drop-in wants the link encrypted, and there is no store-key", set("DropInPaths", encryptConf(t)), (*ward).start},
		{"disk full", "fault disk: STATE is full, so no link can be saved", unchanged, func(w *ward) { w.mount("state", "size=64k"); w.fill("state") }},
		{"disk nearly full", "warning disk: STATE has only 1024 KiB left", unchanged, func(w *ward) { w.mount("state", "size=1m") }},
		{"disk without room for a file", "fault disk: STATE has no room for another file", unchanged, func(w *ward) { w.mount("state", "nr_inodes=2") }},
		{"disk read-only", "fault disk: STATE is read-only", unchanged, func(w *ward) { w.mount("state", "ro") }},
		{"runtime directory full", "fault disk: RUN is full", unchanged, func(w *ward) { w.mount("run", "size=64k"); w.fill("run") }},
		{"drop directory full", "fault inbox: nothing can be dropped into INBOX: the disk is full", unchanged, func(w *ward) { w.mount("inbox", "nr_inodes=1") }},
		{"drop directory read-only", "fault inbox: nothing can be dropped into INBOX: it is read-only", unchanged, func(w *ward) { w.mount("inbox", "ro") }},
	} {
		t.Run(i.name, func(t *testing.T) {
			w := installed(t, i.units)
			w.install()
			i.make(w)
			want(t, w.ask(), strings.NewReplacer("STATE", w.path("state"), "RUN", w.path("run"), "INBOX", w.path("inbox")).Replace(i.line))
		})
	}
}

func nothing(*ward) {}

// encryptConf is the path of the drop-in as it is shipped.
func encryptConf(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("../../../systemd/encrypt.conf")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func (w *ward) groups(old, text string) {
	all, err := os.ReadFile("/etc/group")
	if err == nil {
		err = os.WriteFile("/etc/group", []byte(strings.Replace(string(all), old, text, 1)), 0o644)
	}
	if err != nil {
		w.Fatal(err)
	}
}

func (w *ward) mount(name, options string) {
	w.Helper()
	run(w.T, "mount", "-t", "tmpfs", "-o", fmt.Sprintf("mode=770,uid=%d,gid=%d,%s", agentUID, agentGID, options), "tmpfs", w.path(name))
	w.Cleanup(func() { _ = syscall.Unmount(w.path(name), syscall.MNT_DETACH) })
}

func (w *ward) fill(name string) {
	_ = os.WriteFile(w.path(name+"/fill"), make([]byte, 1<<20), 0o600) // as much as there is room for
	_ = os.Chown(w.path(name+"/fill"), agentUID, agentGID)
}

// TestStrangerMemberAndRootSeeWhatTheyMay asks as each of them.
func TestStrangerMemberAndRootSeeWhatTheyMay(t *testing.T) {
	if !inMachine(t) {
		return
	}
	w := installed(t, unchanged)
	if err := os.WriteFile("/etc/credstore/lwa-agent.client_secret", []byte(lwatest.WebClientSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	w.edit = func(string) string {
		text := strings.Replace(w.device.Config(), "method =", "redirect_uri = \"https://localhost:"+w.ports[0]+"/authresponse\"\nmethod =", 1)
		return strings.Replace(text, "client_secret_file", "# client_secret_file", 1)
	}
	w.more = fmt.Sprintf("[[access]]\nuser = \"%d\"\nmay = [\"status\"]\n[[access]]\nuser = \"%d\"\nmay = [\"token\"]\n", kimUID, leeUID)
	w.install()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	run(t, "install", "-m", "0755", self, w.path("bin/doctor.test"))
	w.startAsItself()
	w.signIn()
	for _, who := range []struct {
		name   string
		uid    uint32
		groups []uint32
		lines  []string
		never  string // a level
	}{
		{"root", 0, nil, []string{"ok       state     ", "ok       access    root may use the agent", "ok       secret    read from", "ok       amazon    the token endpoint knows this client id and its secret", "ok       agent     linked, token good for 5", "ok       ports "}, "unseen"},
		{"member", joUID, []uint32{agentGID}, []string{"ok       access    you are in the group lwa-agent", "ok       agent     linked", "unseen   secret ", "unseen   amazon    the token endpoint knows this client id, and wants its secret", "unseen   state "}, "fault"},
		{"member since a minute", joUID, nil, []string{"warning  access    you joined the group lwa-agent after you logged in", "unseen   agent     you may not ask the agent"}, "fault"},
		{"one of a rule", kimUID, nil, []string{"ok       access    a rule of [[access]] lets you use the agent", "ok       agent     linked"}, "fault"},
		{"one of a rule without the status", leeUID, nil, []string{"warning  access    the agent does not tell you its status; [[access]]", "unseen   agent     you may not ask the agent"}, "fault"},
		{"stranger", samUID, nil, []string{"warning  access    you are not in the group lwa-agent", "unseen   agent     you may not ask the agent", `sudo usermod -aG lwa-agent "$USER", then log in again`, "unseen   inbox "}, "fault"},
	} {
		t.Run(who.name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), w.path("bin/doctor.test"))
			cmd.Dir = "/"
			cmd.Env = append(os.Environ(), "DOCTOR_TEST_MODE=doctor", "DOCTOR_TEST_ARGUMENT=doctor", "PATH="+os.Getenv("PATH"), "TMPDIR=/tmp")
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: who.uid, Gid: who.uid, Groups: who.groups}}
			out, err := cmd.CombinedOutput()
			if err != nil && who.never == "fault" {
				t.Errorf("%v, although nothing is wrong", err)
			}
			for _, line := range who.lines {
				if !strings.Contains(string(out), line) {
					t.Errorf("no %q in\n%s", line, out)
				}
			}
			if strings.Contains(string(out), "\n"+who.never+" ") || strings.HasPrefix(string(out), who.never+" ") {
				t.Errorf("nothing may be %q in\n%s", who.never, out)
			}
			for _, private := range []string{"Jo Example", lwatest.WebClientID, lwatest.WebClientSecret, "Atz"} {
				if strings.Contains(string(out), private) {
					t.Errorf("%q is in what people paste in public:\n%s", private, out)
				}
			}
			if left, _ := filepath.Glob(w.path("inbox/.lwa*")); len(left) > 0 {
				t.Errorf("%q was left behind", left)
			}
		})
	}
}

// startAsItself runs the agent as its own user, with a credential as systemd
// hands it one.
func (w *ward) startAsItself() {
	w.Helper()
	_ = os.Mkdir(w.path("credentials"), 0o755)
	w.write("credentials/client_secret", lwatest.WebClientSecret)
	for _, name := range []string{"run", "credentials", "credentials/client_secret"} {
		_ = os.Chown(w.path(name), agentUID, agentGID)
	}
	cmd := exec.CommandContext(w.Context(), w.path("bin/doctor.test"))
	cmd.Env = append(os.Environ(), "DOCTOR_TEST_MODE=doctor", "DOCTOR_TEST_ARGUMENT=run", "CREDENTIALS_DIRECTORY="+w.path("credentials"))
	cmd.Dir = "/"
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: agentUID, Gid: agentGID, Groups: []uint32{4101}}}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if err := cmd.Start(); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = cmd.Wait() })
	w.await(`"state":`)
}
