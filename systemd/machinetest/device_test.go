//go:build machinetest

package machinetest

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lwa-agent/agent"
	"lwa-agent/lwa/lwatest"
)

// A device is a machine on which the agent is installed, and its Amazon.
type device struct {
	*machine
	amazon  *lwatest.Sim
	secrets []string // what must never be seen outside of the store
}

// serveAmazon starts a simulated Amazon and returns its address.
func serveAmazon(t *testing.T) (*lwatest.Sim, string) {
	t.Helper()
	sim := lwatest.New(lwatest.Options{AccountName: "Ada Lovelace", AccountEmail: "ada@example.com", PairInterval: time.Second})
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: sim}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return sim, l.Addr().String()
}

// settings are what the stories change in the configuration.
type settings struct {
	method   string
	displays []string // "driver device"
	more     string   // tables, as they are
}

func (s settings) config() string {
	client := lwatest.WebClientID
	if s.method == agent.MethodCBL {
		client = lwatest.DeviceClientID
	}
	var text strings.Builder
	fmt.Fprintf(&text, `client_id = %q
method    = %q
scopes    = ["profile"]

[refresh]
boot_spread = "2s"

[endpoints]
authorize = "http://%[3]s/ap/oa"
token     = "http://%[3]s/auth/o2/token"
codepair  = "http://%[3]s/auth/O2/create/codepair"
`, client, s.method, amazonAddress)
	for _, d := range s.displays {
		driver, path, _ := strings.Cut(d, " ")
		fmt.Fprintf(&text, "\n[[display]]\ndriver = %q\ndevice = %q\n", driver, path)
	}
	text.WriteString(s.more)
	return text.String()
}

const (
	configFile = "/etc/lwa-agent/config.toml"
	secretFile = "/etc/credstore/lwa-agent.client_secret"
	dropIn     = "/etc/systemd/system/lwa-agent-display.service.d/console.conf"
	example    = "/usr/share/doc/lwa-agent/examples/console.conf"
)

// configure sets a root directory up as a maker does it.
func configure(t *testing.T, root string, s settings) {
	t.Helper()
	put(t, filepath.Join(root, configFile), s.config())
	if s.method != agent.MethodCBL {
		put(t, filepath.Join(root, secretFile), lwatest.WebClientSecret)
		if err := os.Chmod(filepath.Join(root, secretFile), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// reconfigure changes the configuration of the machine that runs.
func (d *device) reconfigure(s settings) {
	d.t.Helper()
	d.write(configFile, s.config())
	if s.method == agent.MethodCBL {
		d.must("rm", "-f", secretFile) // that of another client
	} else {
		d.write(secretFile, lwatest.WebClientSecret)
	}
	d.must("systemctl", "restart", "lwa-agent", "lwa-agent-display")
}

// status asks the agent as alice does, who is in its group.
func (d *device) status() (agent.Status, error) {
	text, err := d.run("runuser", "-u", "alice", "--", "lwa-agent", "status", "--json")
	if err != nil {
		return agent.Status{}, fmt.Errorf("lwa-agent status: %w: %s", err, text)
	}
	var s agent.Status
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return agent.Status{}, fmt.Errorf("lwa-agent status --json: %w in %q", err, text)
	}
	return s, nil
}

// awaitStatus waits for a status that is as wanted, and returns it.
func (d *device) awaitStatus(limit time.Duration, what string, wanted func(agent.Status) bool) agent.Status {
	d.t.Helper()
	return d.observer().AwaitStatus(limit, what, d.status, wanted)
}

// offer waits until a link is offered, and returns what a phone is to scan.
func (d *device) offer() string {
	d.t.Helper()
	s := d.awaitStatus(time.Minute, "a link to be offered", func(s agent.Status) bool {
		return s.AuthorizeURL != "" || s.UserCode != ""
	})
	if s.Method == agent.MethodCBL {
		return s.VerificationURI + "?cbl-code=" + s.UserCode
	}
	return s.AuthorizeURL
}

// shows waits until a display reports what can be seen on it.
func (d *device) shows(path string) string {
	d.t.Helper()
	s := d.awaitStatus(time.Minute, "the display "+path+" to report", func(s agent.Status) bool {
		return lineOf(s, path).Shows != ""
	})
	return lineOf(s, path).Shows
}
