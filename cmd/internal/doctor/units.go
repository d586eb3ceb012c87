package doctor

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	coreUnit    = "lwa-agent.service"
	displayUnit = "lwa-agent-display.service"
	// provisionUnit takes the configuration over from the boot partition.
	provisionUnit = "lwa-agent-provision.service"
)

// unit is what systemd says of one, by property (org.freedesktop.systemd1(5)).
type unit map[string]string

func (u unit) loaded() bool { return u["LoadState"] == "loaded" }

// properties are all that any check looks at.
func properties() []string {
	return []string{
		"Id", "LoadState", "ActiveState", "SubState", "Result", "ExecMainStatus", "NRestarts", "UnitFileState",
		"ConditionResult", "NeedDaemonReload", "MainPID", "DropInPaths", "User", "SupplementaryGroups", "Environment",
		"NoNewPrivileges", "ProtectSystem", "ProtectHome", "PrivateDevices", "PrivateTmp", "MemoryDenyWriteExecute",
		"RestrictNamespaces", "CapabilityBoundingSet", "LimitCORE",
	}
}

// showUnits asks systemd, which answers everybody; nil where there is none.
func showUnits(ctx context.Context) map[string]unit {
	out, err := systemctl(ctx, "show", "--no-pager", "-p", strings.Join(properties(), ","), coreUnit, displayUnit, provisionUnit)
	if err != nil {
		return nil
	}
	return parseUnits(out)
}

// systemctl returns what it prints. A pager or an agent for passwords that it
// started, and that keeps its output open, is not waited for.
func systemctl(ctx context.Context, args ...string) ([]byte, error) {
	c := exec.CommandContext(ctx, "systemctl", args...)
	c.WaitDelay = time.Second
	return c.Output()
}

// parseUnits reads what "systemctl show" says of several units: lines of
// KEY=VALUE, an empty line between two units.
func parseUnits(text []byte) map[string]unit {
	all := map[string]unit{}
	for block := range bytes.SplitSeq(text, []byte("\n\n")) {
		u := unit{}
		for line := range bytes.Lines(block) {
			key, value, _ := strings.Cut(strings.TrimSpace(string(line)), "=")
			u[key] = value
		}
		if u["Id"] != "" {
			all[u["Id"]] = u
		}
	}
	return all
}

func checkUnits(_ context.Context, f *facts) []Finding {
	switch {
	case f.units == nil:
		return one(ok("systemd does not run here"))
	case !f.packaged() && f.status != nil:
		return one(ok("the agent was started by hand, not by its unit"))
	case !f.units[coreUnit].loaded():
		return one(warn("sudo apt install ./lwa-agent_…_….deb", "%s is not installed, so the agent does not start at boot", coreUnit))
	}
	all := f.units[coreUnit].findings(coreUnit, Fault)
	run := coreUnit + " runs, and starts at boot"
	if u := f.units[displayUnit]; u.loaded() {
		level := Warning
		if len(f.cfg.Displays) > 0 {
			level = Fault
		}
		all = append(all, u.findings(displayUnit, level)...)
		run = coreUnit + " and " + displayUnit + " run, and start at boot"
	}
	if len(all) > 0 {
		return all
	}
	return one(ok("%s", run))
}

// findings is what is wrong with a unit; it is of the level bad that it does not run.
func (u unit) findings(name string, bad Level) (all []Finding) {
	short := strings.TrimSuffix(name, ".service")
	log := "see: journalctl -u " + short + " -n 20"
	switch {
	case u["ActiveState"] == "failed", u["SubState"] == "auto-restart":
		cause, cure := endOf(u)
		if cure == "" {
			cure = log
		}
		all = append(all, Finding{Level: bad, Message: fmt.Sprintf("%s ends: %s", name, cause), Cure: cure})
	case u["ActiveState"] == "inactive" && u["ConditionResult"] == "no":
		all = append(all, Finding{Level: bad, Message: name + " was not started: there is no /etc/lwa-agent/config.toml", Cure: "to write one: sudo lwa-agent setup"})
	case u["ActiveState"] == "inactive":
		all = append(all, Finding{Level: bad, Message: name + " is stopped", Cure: "sudo systemctl start " + short})
	}
	const many = 3 // restarts; one or two are those of an upgrade or of a panel that came late
	if n, _ := strconv.Atoi(u["NRestarts"]); n > many {
		all = append(all, warn(log, "%s was started again %d times", name, n))
	}
	if s := u["UnitFileState"]; s == "disabled" || s == "masked" {
		all = append(all, warn("sudo systemctl unmask "+short+"; sudo systemctl enable "+short, "%s does not start at boot (%s)", name, s))
	}
	if u["NeedDaemonReload"] == "yes" {
		all = append(all, warn("sudo systemctl daemon-reload && sudo systemctl restart "+short, "%s was changed and runs as it was before", name))
	}
	return all
}

// endOf says what an exit status of systemd's own means (systemd.exec(5)), which
// it gives before the program was even started.
func endOf(u unit) (cause, cure string) {
	switch u["ExecMainStatus"] {
	case "203":
		return "the program cannot be run (203/EXEC)", "is it for this processor? install the package again"
	case "216":
		return "a group of the unit does not exist (216/GROUP)", "sudo systemd-sysusers"
	case "217":
		return "the unit's user does not exist (217/USER)", "sudo systemd-sysusers"
	case "226":
		return "its sandbox cannot be made (226/NAMESPACE)", "a path in a drop-in does not exist: systemctl cat lwa-agent"
	case "228":
		return "the kernel refuses its filter of system calls (228/SECCOMP)", "use the kernel of the distribution"
	case "238":
		return "its state directory cannot be made (238/STATE_DIRECTORY)", "is /var/lib writable?"
	case "233":
		return "its runtime directory cannot be made (233/RUNTIME_DIRECTORY)", "is /run writable?"
	case "243":
		return "a credential cannot be read (243/CREDENTIALS)", "correct LoadCredential= in the drop-in, or make the credential again on this device: systemctl cat lwa-agent"
	case "", "0":
		return "result " + u["Result"], ""
	}
	return fmt.Sprintf("status %s, result %s", u["ExecMainStatus"], u["Result"]), ""
}

// checkSandbox compares what is in force with what the package has.
func checkSandbox(_ context.Context, f *facts) []Finding {
	if !f.packaged() {
		return one(ok("none: it was not started by its unit"))
	}
	var all []Finding
	for _, name := range []string{coreUnit, displayUnit} {
		if u := f.units[name]; u.loaded() {
			if weak := u.weakened(name == coreUnit); len(weak) > 0 {
				all = append(all, warn("is it needed? systemctl cat "+name, "a drop-in takes away from the sandbox of %s: %s", name, strings.Join(weak, ", ")))
			}
		}
	}
	if weak := inForce(f.units[coreUnit]["MainPID"]); len(weak) > 0 {
		all = append(all, warn("sudo systemctl daemon-reload && sudo systemctl restart lwa-agent", "the running agent lacks %s", strings.Join(weak, ", ")))
	}
	if len(all) == 0 {
		drops := strings.Fields(f.units[coreUnit]["DropInPaths"])
		for i := range drops {
			drops[i] = filepath.Base(drops[i])
		}
		all = one(ok("as the package has it%s", listed("; drop-ins: ", drops)))
	}
	return all
}

func listed(before string, names []string) string {
	if len(names) == 0 {
		return ""
	}
	return before + strings.Join(names, ", ")
}

// takes reports whether a drop-in names a credential. Of credentials "systemctl
// show" prints "[unprintable]" in systemd 252.
func (u unit) takes(credential string) bool {
	for path := range strings.FieldsSeq(u["DropInPaths"]) {
		text, _ := os.ReadFile(path) // one that cannot be read names none that is known
		for line := range strings.Lines(string(text)) {
			key, value, _ := strings.Cut(line, "=")
			name, _, _ := strings.Cut(strings.TrimSpace(value), ":")
			if strings.HasPrefix(key, "LoadCredential") && name == credential {
				return true
			}
		}
	}
	return false
}

func (u unit) weakened(core bool) (all []string) {
	want := [][2]string{
		{"NoNewPrivileges", "yes"},
		{"ProtectSystem", "strict"},
		{"ProtectHome", "yes"},
		{"PrivateTmp", "yes"},
		{"MemoryDenyWriteExecute", "yes"},
		{"RestrictNamespaces", "yes"},
		{"CapabilityBoundingSet", ""},
		{"LimitCORE", "0"},
	}
	if core {
		want = append(want, [2]string{"PrivateDevices", "yes"})
	}
	for _, w := range want {
		if got, told := u[w[0]]; told && got != w[1] {
			all = append(all, w[0]+"="+got)
		}
	}
	return all
}

// inForce reads what the kernel does to a process (proc_pid_status(5)), which
// everybody may.
func inForce(pid string) (lacks []string) {
	text, err := os.ReadFile(filepath.Join("/proc", pid, "status"))
	if pid == "" || pid == "0" || err != nil {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		value = strings.TrimSpace(value)
		switch {
		case key == "NoNewPrivs" && value != "1":
			lacks = append(lacks, "NoNewPrivileges=")
		case key == "Seccomp" && value != "2":
			lacks = append(lacks, "its filter of system calls")
		case key == "CapEff" && strings.Trim(value, "0") != "":
			lacks = append(lacks, "an empty set of capabilities")
		}
	}
	return lacks
}

// agentEnviron is the environment that the agent has, so far as it may be seen.
func (f *facts) agentEnviron() []string {
	if !f.packaged() {
		var own []string
		for _, name := range proxyVariables() {
			if v := f.Env(name); v != "" {
				own = append(own, name+"="+v)
			}
		}
		return own
	}
	if text, err := os.ReadFile(filepath.Join("/proc", f.units[coreUnit]["MainPID"], "environ")); err == nil { // root may
		return slices.DeleteFunc(strings.Split(string(text), "\x00"), func(s string) bool { return s == "" })
	}
	return strings.Fields(strings.ReplaceAll(f.units[coreUnit]["Environment"], `"`, ""))
}
