//go:build deep

package agent

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lwa-agent/lwa/lwatest"
)

var buildDir string // of building, once it was asked for

// building is the one build of lwa-agent.
var building = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "lwa-agent-built")
	if err != nil {
		return "", err
	}
	buildDir = dir
	path := filepath.Join(dir, "lwa-agent")
	out, err := exec.Command("go", "build", "-tags", "nethttpomithttp2", "-o", path, "lwa-agent/cmd/lwa-agent").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if buildDir != "" {
		os.RemoveAll(buildDir)
	}
	os.Exit(code)
}

func builtBinary(t *testing.T) string {
	t.Helper()
	path, err := building()
	must(t, err)
	return path
}

// beginBuilt starts the binary with a configuration file, as systemd does, and
// waits until it says that it is ready (sd_notify(3)).
func (p *process) beginBuilt() {
	p.t.Helper()
	id := map[string]string{MethodCode: lwatest.MobileClientID, MethodCBL: lwatest.DeviceClientID}[p.Method]
	dir := filepath.Dir(p.State)
	config, notify := filepath.Join(dir, "config.toml"), filepath.Join(dir, "notify")
	e := loopback(p.Server)
	text := fmt.Sprintf("client_id = %q\nscopes = [\"profile\"]\nredirect_uri = %q\nmethod = %q\nstate_dir = %q\nruntime_dir = %q\n"+
		"[inbox]\npaths = [%q]\n[refresh]\nboot_spread = \"0s\"\n[endpoints]\nauthorize = %q\ntoken = %q\ncodepair = %q\n",
		id, lwatest.ReturnURL, p.Method, p.State, p.Run, p.Spool+"/", e.Authorize, e.Token, e.CodePair)
	must(p.t, os.WriteFile(config, []byte(text), 0o600))
	_ = os.Remove(notify)
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: notify, Net: "unixgram"})
	must(p.t, err)
	defer socket.Close()
	p.cmd = exec.Command(p.binary, "run", "--config", config)
	p.cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+notify, "LWA_AGENT_BOOT_ID="+strings.ReplaceAll(p.Boot, " ", ""))
	p.cmd.Stderr = &p.stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(p.t, p.cmd.Start())
	must(p.t, socket.SetReadDeadline(time.Now().Add(patience)))
	message := make([]byte, 4096)
	for {
		n, err := socket.Read(message)
		if err != nil {
			p.t.Fatalf("the agent does not start: %v\n%s", err, p.stderr.String())
		}
		if bytes.Contains(message[:n], []byte("READY=1")) {
			return
		}
	}
}
