//go:build machinetest

package machinetest

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"lwa-agent/systemd/debiantest"
)

// coreDumps is where the machine's kernel puts them.
const coreDumps = "/var/crash"

// aToken is an access or a refresh token of the simulated Amazon. Shorter ones
// are in documents, and where a program's words lie beside each other.
const aToken = `At[a-z]+\|[A-Za-z0-9]{100,}`

// Places where a secret of the story is to be. Each search must find it there,
// or it would find it nowhere.
const (
	keptAccess    = "/run/lwa-agent/access.json" // for an agent that is started again
	credential    = "/run/credentials/lwa-agent.service/client_secret"
	keptLink      = "/var/lib/lwa-agent/link.json"
	keptLinkOlder = keptLink + ".1"
)

// pattern matches each secret of the story, for grep and for package regexp.
func (d *device) pattern() string {
	all := []string{aToken}
	for _, secret := range d.secrets {
		all = append(all, regexp.QuoteMeta(secret))
	}
	return strings.Join(all, "|")
}

// nothingLeaked looks for every secret of the story where others may look.
func (d *device) nothingLeaked() string {
	d.t.Helper()
	search := func(command string) string {
		// The pattern is in nobody's arguments, where it would be found.
		a, err := d.control.do(3*time.Minute, d.pattern(), "sh", "-c", "exec 3<&0 </dev/null; "+command)
		if err != nil {
			d.t.Fatalf("the search %s: %v\n%s", command, err, a.Output)
		}
		return strings.TrimSpace(string(a.Output))
	}
	const grep = " | grep --text --extended-regexp --file=/dev/fd/3 --count || true"
	var sizes []string
	for _, place := range []struct{ name, text string }{
		{"journal", "journalctl --no-pager --all --output=export"},
		{"arguments", "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'"},
		{"environments", "cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'"},
		{"units", "systemctl show lwa-agent lwa-agent-display"},
		{"status", "lwa-agent status; lwa-agent status --json"},
		{"kernel's log", "dmesg"},
	} {
		if n := search("(" + place.text + ")" + grep); n != "0" {
			d.t.Errorf("%s: %s lines with a secret: %s", place.name, n, search("("+place.text+`) | grep --text --extended-regexp --file=/dev/fd/3 --only-matching | cut -c1-5 | sort | uniq -c`))
		}
		size := search("(" + place.text + ") | wc -c")
		if len(size) < 2 {
			d.t.Errorf("the %s cannot be searched: %s bytes", place.name, size)
		}
		sizes = append(sizes, place.name+" "+size)
	}
	// Memory files: all but the journal's, and what is there for programs.
	found := strings.Fields(search("grep --recursive --devices=skip --text --extended-regexp --file=/dev/fd/3 --files-with-matches /run /tmp /dev/shm || true"))
	expected := []string{credential, keptAccess, tokenFile}
	slices.Sort(found)
	if !slices.Equal(found, expected) {
		d.t.Errorf("in memory, secrets are in %q, want them in %q", found, expected)
	}
	return strings.Join(sizes, ", ") + " bytes; " + d.noCoreDump()
}

// noCoreDump looks for what the watchdog's SIGABRT may have left. The control, a
// process that may, leaves one.
func (d *device) noCoreDump() string {
	d.t.Helper()
	d.run("sh", "-c", "ulimit -c unlimited; sh -c 'kill -ABRT $$'") // ends as it says
	var control, others int
	for name := range strings.FieldsSeq(d.must("ls", coreDumps)) {
		if strings.HasPrefix(name, "core.sh.") {
			control++
		} else {
			d.t.Errorf("%s is a core dump: it holds all tokens", name)
			others++
		}
	}
	if control == 0 {
		d.t.Error("a process that may dump its memory does not, so the others' silence means nothing")
	}
	return fmt.Sprintf("%d core dumps, and %d of the control", others, control)
}

// nothingLeakedOnDisk looks into every file of the machine that is off.
func (d *device) nothingLeakedOnDisk() string {
	d.t.Helper()
	root := filepath.Join(d.dir, "all")
	if err := os.Mkdir(root, 0o700); err != nil {
		d.t.Fatal(err)
	}
	debiantest.Run(d.t, "e2fsck", "-p", d.disk()) // a power cut is a while ago
	debiantest.Run(d.t, "debugfs", "-R", "rdump / "+root, d.disk())
	pattern := regexp.MustCompile(d.pattern())
	expected := []string{secretFile, keptLink, keptLinkOlder}
	var found []string
	files, size := 0, 0
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files, size = files+1, size+len(text)
		// Most files hold neither, which is quicker to see.
		if bytes.Contains(text, []byte("At")) || slices.ContainsFunc(d.secrets, func(s string) bool { return bytes.Contains(text, []byte(s)) }) {
			if pattern.Match(text) {
				found = append(found, strings.TrimPrefix(path, root))
			}
		}
		return nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
	if !slices.Equal(found, expected) {
		d.t.Errorf("on the disk, secrets are in %q, want them in %q", found, expected)
	}
	return fmt.Sprintf("%d files, %d MiB", files, size>>20)
}
