package doctor_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"lwa-agent/agent"
	"lwa-agent/cmd/internal/cli"
	"lwa-agent/cmd/internal/doctor"
	"lwa-agent/cmd/internal/simulated"
	"lwa-agent/cmd/internal/socket"
	"lwa-agent/display/panel"
	"lwa-agent/lwa/lwatest"
)

// ward is a device to make ill, with a simulated Amazon behind a real socket and,
// once it is started, the real agent.
type ward struct {
	*testing.T
	dir     string
	sim     *lwatest.Sim
	server  *httptest.Server
	device  simulated.Device
	more    string    // at the end of config.toml
	ports   [2]string // for the redirect, and another one: free, since tests of others run beside this one
	pty     string
	edit    func(text string) string
	patient doctor.Patient
}

func newWard(t *testing.T, o lwatest.Options) *ward {
	t.Helper()
	dir, err := os.MkdirTemp("", "ward") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	w := &ward{T: t, dir: dir, sim: lwatest.New(o), edit: func(text string) string { return text }}
	w.ports = freePorts(t)
	redirect := "https://localhost:" + w.ports[0] + "/authresponse"
	w.sim.AddClient(lwatest.Client{ID: lwatest.WebClientID, Kind: lwatest.Web, Secret: lwatest.WebClientSecret, ReturnURLs: []string{redirect}})
	w.replace("method =", "redirect_uri = \""+redirect+"\"\nmethod =")
	w.server = httptest.NewServer(w.sim)
	t.Cleanup(func() { w.server.Close() })
	for _, name := range []string{"inbox", "state", "run"} {
		if err := os.Mkdir(w.path(name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	w.write("secret", lwatest.WebClientSecret+"\n")
	w.device = simulated.Device{
		Amazon: w.server.URL, Method: "code", SecretFile: w.path("secret"),
		StateDir: w.path("state"), RuntimeDir: w.path("run"), Inbox: w.path("inbox"),
	}
	w.patient = doctor.Patient{
		ConfigPath: w.path("config.toml"), Env: func(string) string { return "" }, Version: "(devel)",
		Proxy:    func([]string) doctor.Proxy { return func(*http.Request) (*url.URL, error) { return nil, nil } },
		Resolver: net.DefaultResolver, Panels: panel.List, Patience: 20 * time.Second,
	}
	return w
}

func freePorts(t *testing.T) (ports [2]string) {
	t.Helper()
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		_, ports[i], _ = net.SplitHostPort(l.Addr().String())
	}
	return ports
}

func (w *ward) path(name string) string { return filepath.Join(w.dir, name) }

func (w *ward) write(name, text string) {
	w.Helper()
	if err := os.WriteFile(w.path(name), []byte(text), 0o600); err != nil {
		w.Fatal(err)
	}
}

// replace edits the configuration before it is written.
func (w *ward) replace(old, text string) {
	before := w.edit
	w.edit = func(all string) string {
		all = before(all)
		if !strings.Contains(all, old) {
			w.Fatalf("the configuration has no %q:\n%s", old, all)
		}
		return strings.Replace(all, old, text, 1)
	}
}

func (w *ward) configure() {
	w.Helper()
	w.write("config.toml", w.edit(w.device.Config())+w.more)
}

// start runs the agent until the test ends.
func (w *ward) start() {
	w.Helper()
	w.configure()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	var said bytes.Buffer
	running.Go(func() {
		cli.Main(ctx, []string{"--config", w.path("config.toml"), "run"}, cli.Streams{In: strings.NewReader(""), Out: io.Discard, Err: &said, Env: func(string) string { return "" }})
	})
	w.Cleanup(func() { cancel(); running.Wait() })
	w.await(`"state":`)
}

// await waits until the status holds text.
func (w *ward) await(text string) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), 10*time.Second)
	defer cancel()
	st, err := socket.New(w.path("run/agent.sock")).Until(ctx, 10*time.Millisecond, func(st agent.Status) bool {
		line, _ := json.Marshal(st) // it has no value that cannot be
		return bytes.Contains(line, []byte(text))
	})
	if err != nil {
		w.Fatalf("the status never holds %s: %v; the last was %+v", text, err, st)
	}
}

// link has a person sign in.
func (w *ward) link() {
	w.Helper()
	w.start()
	w.signIn()
}

// signIn is the person, who drops the code.
func (w *ward) signIn() {
	w.Helper()
	address, err := w.sim.Allow(w.offered())
	if err != nil {
		w.Fatal(err)
	}
	w.write("inbox/.code", address+"\n")
	_ = os.Chmod(w.path("inbox/.code"), 0o644)
	if err := os.Rename(w.path("inbox/.code"), w.path("inbox/code")); err != nil {
		w.Fatal(err)
	}
	w.await(`"account":"Jo Example"`)
}

// offered returns the authorize URL that the agent offers.
func (w *ward) offered() string {
	w.Helper()
	st, err := socket.New(w.path("run/agent.sock")).Until(w.Context(), 10*time.Millisecond, socket.Offers)
	if err != nil {
		w.Fatal(err)
	}
	return st.AuthorizeURL
}

// ask is the examination.
func (w *ward) ask() doctor.Report {
	w.Helper()
	r := doctor.Examine(w.Context(), w.patient)
	for _, v := range w.sim.Violations() {
		w.Errorf("Amazon would not accept what it was sent: %s", v)
	}
	return r
}

// want is a line that must be in the report: "fault dns: there is no …".
func want(t *testing.T, r doctor.Report, line string) {
	t.Helper()
	var all strings.Builder
	for _, f := range r.Findings {
		text := fmt.Sprintf("%s %s: %s", f.Level, f.Check, f.Message)
		if strings.HasPrefix(text, line) {
			if f.Level != doctor.OK && f.Cure == "" {
				t.Errorf("%q has no cure", text)
			}
			return
		}
		fmt.Fprintf(&all, "%s [%s]\n", text, f.Cure)
	}
	t.Errorf("no line %q in\n%s", line, all.String())
}

// helper runs this test's own binary as another program; see TestMain.
func helper(t *testing.T, mode, argument string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), "DOCTOR_TEST_MODE="+mode, "DOCTOR_TEST_ARGUMENT="+argument)
	return cmd
}

// another starts a helper that says when it is ready, and ends with the test.
func another(t *testing.T, mode, argument string) {
	t.Helper()
	cmd := helper(t, mode, argument)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	if _, err := io.ReadFull(out, make([]byte, 1)); err != nil {
		t.Fatalf("%s %s: %v", mode, argument, err)
	}
}

func TestMain(m *testing.M) {
	switch argument := os.Getenv("DOCTOR_TEST_ARGUMENT"); os.Getenv("DOCTOR_TEST_MODE") {
	case "listen":
		if _, err := net.Listen("tcp", argument); err != nil {
			os.Exit(1)
		}
		hold()
	case "open":
		if _, err := os.OpenFile(argument, os.O_RDWR, 0); err != nil {
			os.Exit(1)
		}
		hold()
	case "doctor":
		os.Exit(cli.Main(context.Background(), strings.Fields(argument), cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.Getenv}))
	}
	// They wait more than they work; -parallel still wins.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// hold keeps what is open until standard input ends.
func hold() {
	os.Stdout.WriteString("!")
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}
