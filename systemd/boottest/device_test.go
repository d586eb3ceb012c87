//go:build boottest

package boottest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"lwa-agent/agent"
	"lwa-agent/lwa/lwatest"
)

// A device is a machine on which the agent is installed, and its Amazon.
type device struct {
	*machine
	amazon  *lwatest.Sim
	secrets []string // what must never be seen outside of the store
}

const linkPicture = "/run/lwa-agent-display/link.png"

const config = `# Written by the boot test.
client_id = "` + lwatest.WebClientID + `"
scopes    = ["profile"]

[refresh]
boot_spread = "2s"

[[display]]
driver = "png"
device = "` + linkPicture + `"

[[token_file]]
path = "/run/lwa-agent/access_token"
mode = "0640"

[endpoints]
authorize = "http://` + amazonAddress + `/ap/oa"
token     = "http://` + amazonAddress + `/auth/o2/token"
codepair  = "http://` + amazonAddress + `/auth/O2/create/codepair"
`

// status asks the agent by its socket, as root. An agent that does not answer
// is an error in words.
func (d *device) status() (agent.Status, error) {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", d.path("/run/lwa-agent/agent.sock"))
		},
	}}
	answer, err := client.Get("http://lwa-agent/status")
	if err != nil {
		return agent.Status{}, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return agent.Status{}, err
	}
	var s agent.Status
	if err := json.Unmarshal(text, &s); err != nil {
		return agent.Status{}, fmt.Errorf("GET /status: %w in %q", err, text)
	}
	return s, nil
}

// awaitStatus waits for a status that is as wanted, and returns it.
func (d *device) awaitStatus(limit time.Duration, what string, wanted func(agent.Status) bool) agent.Status {
	d.t.Helper()
	return d.observer().AwaitStatus(limit, what, d.status, wanted)
}

func linked(s agent.Status) bool  { return s.State == agent.Linked && s.AuthorizeURL == "" }
func offered(s agent.Status) bool { return s.AuthorizeURL != "" }

// awaitPicture waits until the display shows a QR code, and reads it with a
// decoder that shares nothing with the encoder. It must be the address.
func (d *device) awaitPicture(address string) {
	d.t.Helper()
	d.await(20*time.Second, "the display to show the link", func() (bool, string) {
		picture := d.path(linkPicture)
		if _, err := os.Stat(picture); err != nil {
			return false, err.Error()
		}
		read, err := zbar(d.t, picture)
		if err != nil {
			return false, err.Error()
		}
		return read == address, fmt.Sprintf("it shows %q, not %q", read, address)
	})
}

// drop plays the person for the link that is offered: what they see at the end
// in the browser is a secret from then on.
func (d *device) allow() (redirect, code string) {
	d.t.Helper()
	s := d.awaitStatus(20*time.Second, "a link to be offered", offered)
	redirect, code = allow(d.t, d.amazon, s.AuthorizeURL)
	d.secrets = append(d.secrets, code, redirect)
	return redirect, code
}

// edit types into an editor on a terminal as a user does: a file's text, then
// the keys that save and leave.
func (d *device) edit(user, path, text string) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), 30*time.Second)
	defer cancel()
	vim := d.inside(ctx, "runuser", "-u", user, "--", "vi", path)
	terminal, err := pty.StartWithSize(vim, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		d.t.Fatal(err)
	}
	defer terminal.Close()
	// It throws away what was typed before it is ready, which its first screen tells.
	screen := make(chan string)
	go func() {
		defer close(screen)
		var all bytes.Buffer
		buf := make([]byte, 4096)
		for {
			n, err := terminal.Read(buf)
			all.Write(buf[:n])
			select {
			case screen <- all.String():
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	last, typed := "", false
	for last = range screen {
		if !typed && strings.Contains(last, "[New") {
			fmt.Fprintf(terminal, "i%s\x1b:wq\r", text)
			typed = true
		}
	}
	if err := vim.Wait(); err != nil || !typed {
		d.t.Fatalf("vi %s: %v; it was on the screen:\n%q", path, err, last)
	}
}

// unit starts a oneshot service and returns what it wrote to its standard output.
func (d *device) unit(name, service string) string {
	d.t.Helper()
	output := "/run/" + name + ".out"
	d.write("/run/systemd/system/"+name+".service", service+"\n[Service]\nType=oneshot\nStandardOutput=truncate:"+output+"\n")
	d.must("systemctl", "daemon-reload")
	if out, err := d.run("systemctl", "start", name); err != nil {
		d.t.Fatalf("start %s: %v\n%s\n%s", name, err, out, d.journal("-u", name, "-n", "20"))
	}
	out, err := os.ReadFile(d.path(output))
	if err != nil {
		d.t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// refusedNamingGroup runs a command that has to fail and to say why and what to do.
func (d *device) refusedNamingGroup(user, command string) string {
	d.t.Helper()
	out, err := d.as(user, command)
	if err == nil {
		d.t.Errorf("%s may run %q: %s", user, command, out)
	} else if !strings.Contains(out, "usermod") || !strings.Contains(out, "lwa-agent") || strings.Contains(out, "\n") {
		d.t.Errorf("%s is told %q; want one line with the group to join and the command for it", user, out)
	}
	return out
}

// networkUp makes Amazon reachable, and an interface that says so.
func (d *device) networkUp() {
	d.t.Helper()
	d.must("systemctl", "start", "amazon.socket")
	d.must("ip", "link", "add", "up0", "type", "veth", "peer", "name", "up1")
	d.must("ip", "address", "add", "192.0.2.10/24", "dev", "up0")
	d.must("ip", "link", "set", "up1", "up")
	d.must("ip", "link", "set", "up0", "up")
}

// nothingLeftInDrop: "linked" is said after the file with the code was removed.
func (d *device) nothingLeftInDrop() {
	d.t.Helper()
	if left := d.mustAs("alice", "ls -A /var/spool/lwa-agent"); left != "RESULT.txt" {
		st, err := d.status()
		d.t.Errorf("in the drop directory are %q; want RESULT.txt alone, since a code does not lie about\n%s\nstatus %+v, %v\n%s", left,
			d.must("sh", "-c", "cd /var/spool/lwa-agent && ls -la --time-style=full-iso && cat RESULT.txt"), st, err, d.journal("-u", "lwa-agent", "-n", "10"))
	}
	if result := d.mustAs("alice", "cat /var/spool/lwa-agent/RESULT.txt"); result == "" {
		d.t.Error("RESULT.txt is empty; it has to say what became of the code")
	}
}

// wantToken checks that a program got the newest access token, by its hash,
// so that the token itself is never on anybody's screen.
func (d *device) wantToken(sha256sum string) string {
	d.t.Helper()
	got := strings.TrimSuffix(strings.TrimSpace(sha256sum), "-")
	if want := d.amazon.NewestToken(); want == "" || !strings.HasPrefix(got, want) {
		d.t.Errorf("a token with SHA-256 %q was handed out, Amazon's newest begins with %q", got, want)
	}
	return "it is Amazon's newest"
}

// zbar reads the QR code in a picture.
func zbar(t *testing.T, picture string) (string, error) {
	out, err := exec.CommandContext(t.Context(), "zbarimg", "--nodbus", "--quiet", "--raw", picture).Output()
	if err != nil {
		return "", fmt.Errorf("zbarimg finds no code in the picture: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}
