package agent

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lwa-agent/lwa"
	"lwa-agent/lwa/lwatest"
	"lwa-agent/lwa/lwatest/harness"
)

var kills = flag.Int("kills", defaultKills, "how often TestKilledWhenever kills an agent")

// process is an agent in a process of its own, with a real disk, an inbox,
// sockets, and Amazon over a loopback connection.
type process struct {
	served
	Method, State, Run, Spool, Server, Boot string // what the process is told
	killer                                  *rand.Rand
	as                                      *syscall.Credential // nil: ourselves
	binary                                  string              // lwa-agent; empty: this test binary
	cmd                                     *exec.Cmd
	stderr                                  safeBuffer
}

const processMark = "LWA_AGENT_TEST_PROCESS"

// runProcess is the process: this test binary, called again.
func runProcess(t *testing.T, told string) {
	var p process
	must(t, json.Unmarshal([]byte(told), &p))
	id := map[string]string{MethodCode: lwatest.MobileClientID, MethodCBL: lwatest.DeviceClientID}[p.Method]
	a, err := New(Config{
		Client: lwa.Client{ID: id, Scopes: []string{"profile"}, RedirectURI: lwatest.ReturnURL, Endpoints: loopback(p.Server), Transport: lwa.NewTransport()},
		Method: p.Method, Inbox: []string{p.Spool + "/"}, StateDir: p.State, RuntimeDir: p.Run, BootID: p.Boot,
		Uptime: Uptime, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Alive: sync.OnceFunc(func() { fmt.Println("ready") }),
	})
	must(t, err)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	must(t, a.Run(ctx)) // until it is killed, or told to end
}

func loopback(server string) lwa.Endpoints {
	return lwa.Endpoints{
		Authorize: server + "/ap/oa", Token: server + "/auth/o2/token", CodePair: server + "/auth/O2/create/codepair", Profile: server + "/user/profile",
	}
}

func newProcess(t *testing.T, method string, seed uint64, o lwatest.Options) *process {
	t.Helper()
	dir, err := os.MkdirTemp("", "lwa-agent")
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	p := &process{
		Method: method, State: filepath.Join(dir, "state"), Run: filepath.Join(dir, "run"), Spool: filepath.Join(dir, "spool"), Boot: "boot1",
		killer: rand.New(rand.NewPCG(seed, seed)),
	}
	must(t, os.Mkdir(p.Spool, 0o700))
	p.binary = builtBinary(t)
	p.served = served{t: t, sim: lwatest.New(o), cfg: Config{RuntimeDir: p.Run, StateDir: p.State}}
	server := httptest.NewServer(p.sim)
	t.Cleanup(server.Close)
	p.Server = server.URL
	t.Cleanup(func() {
		p.kill()
		for _, v := range p.sim.Violations() {
			t.Errorf("Amazon objects: %s", v)
		}
		if n := len(p.sim.CodesSentTwice()); n != 0 {
			t.Errorf("%d codes were sent twice", n)
		}
		if t.Failed() {
			t.Logf("the agents' log:\n%s", p.stderr.String())
		}
	})
	return p
}

// begin starts the process and returns when its sockets and inbox are up.
func (p *process) begin() {
	p.t.Helper()
	if p.binary != "" {
		p.beginBuilt()
		return
	}
	told, err := json.Marshal(map[string]string{"Method": p.Method, "State": p.State, "Run": p.Run, "Spool": p.Spool, "Server": p.Server, "Boot": p.Boot})
	must(p.t, err)
	self, err := os.Executable()
	must(p.t, err)
	if p.as != nil {
		self = p.executableForAll(self)
	}
	p.cmd = exec.Command(self, "-test.run=^TestKilledWhenever$")
	p.cmd.Env = append(os.Environ(), processMark+"="+string(told), harness.NoRaceSleep)
	p.cmd.Stderr = &p.stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Credential: p.as}
	out, err := p.cmd.StdoutPipe()
	must(p.t, err)
	must(p.t, p.cmd.Start())
	begin := time.Now()
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		p.t.Fatalf("the agent does not start: %q, %v\n%s", line, err, p.stderr.String())
	}
	if took := time.Since(begin); took > patience {
		p.t.Errorf("the agent was ready after %v", took)
	}
}

func (p *process) kill() {
	if p.cmd != nil && p.cmd.Process != nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait() // says that it was killed
		p.cmd = nil
	}
}

// killWithin kills at a random moment of the time to come.
func (p *process) killWithin(most time.Duration) (after time.Duration) {
	after = time.Duration(p.killer.Int64N(int64(most)))
	<-time.After(after)
	p.kill()
	return after
}

// follow reads the status and its changes until one fits.
func (p *process) follow(what string, fits func(Status) bool) (st Status) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://agent/events", nil)
	must(p.t, err)
	resp, err := p.client(agentSockName).Do(req)
	must(p.t, err)
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		st = Status{}
		must(p.t, json.Unmarshal(lines.Bytes(), &st))
		if fits(st) {
			return st
		}
	}
	p.t.Fatalf("%s: did not come about (%v); the status is %+v", what, lines.Err(), st)
	return st
}

func (p *process) drop(text string) {
	p.t.Helper()
	tmp, path := filepath.Join(p.Spool, ".new"), filepath.Join(p.Spool, "code.txt")
	must(p.t, os.WriteFile(tmp, []byte(text+"\n"), 0o600))
	must(p.t, os.Rename(tmp, path))
}

func (p *process) dropLies() bool {
	_, err := os.Lstat(filepath.Join(p.Spool, "code.txt"))
	return err == nil
}

// slowly makes each answer take a moment, so that as many kills fall between
// a request and its answer as into the writing of files.
func (p *process) slowly() {
	p.sim.Fail(lwatest.Late(time.Duration(p.killer.Int64N(int64(4*time.Millisecond)))), -1, lwatest.Exchange, lwatest.Refresh, lwatest.Poll, lwatest.Profile)
}

func (p *process) wantGoodToken(why string) {
	p.t.Helper()
	p.follow(why+": linked", func(st Status) bool { return st.State == Linked })
	if a := p.request(p.client(agentSockName), "GET", "/token", ""); a.status != 200 {
		p.t.Errorf("%s: no token: %d %s", why, a.status, a.text)
	}
}

// TestKilledWhenever kills agents by SIGKILL at random moments of everything
// that must not be interrupted. Call it with -kills=500 for more of it.
func TestKilledWhenever(t *testing.T) {
	if told := os.Getenv(processMark); told != "" {
		runProcess(t, told)
		return
	}
	// Not with others: on a busy machine each kill within the first milliseconds
	// comes before anything was saved.
	for _, c := range []struct {
		name, some string // the outcome that some of them must have
		scene      func(t *testing.T, seed uint64) string
	}{
		{"linking by a dropped code", "linked", killedWhileLinking},
		{"code-based linking", "linked", killedWhileProving},
		{"rotation", "2 of 2 saved", killedWhileRotating},
		{"SIGTERM within a rotation", "2 of 2 saved", terminatedWhileRotating},
	} {
		t.Run(c.name, func(t *testing.T) {
			outcomes := map[string]int{}
			for seed := range max(1, *kills/4) {
				outcomes[c.scene(t, uint64(seed))]++
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
			t.Logf("0 bad of %d stories with kills: %v", max(1, *kills/4), outcomes)
			if outcomes[c.some] == 0 {
				t.Errorf("none of %v is %q, so the moments before and after that were not tested", outcomes, c.some)
			}
		})
	}
}

// killedWhileLinking drops a code and kills within the exchange, the saves and
// the removal of the file.
func killedWhileLinking(t *testing.T, seed uint64) string {
	p := newProcess(t, MethodCode, seed, lwatest.Options{})
	p.slowly()
	p.begin()
	qr := p.follow("a QR code", func(st Status) bool { return st.AuthorizeURL != "" }).AuthorizeURL
	back, err := p.sim.Allow(qr)
	must(t, err)
	p.drop(back)
	after := p.killWithin(30 * time.Millisecond)
	p.begin()
	st := p.follow("linked, or a QR code and no code that waits", func(st Status) bool {
		return st.State == Linked || st.State == Unlinked && st.AuthorizeURL != "" && !st.CodePending && !p.dropLies()
	})
	outcome := "linked"
	if st.State != Linked {
		outcome = "the same QR code"
		if st.AuthorizeURL != qr {
			t.Errorf("killed %v after the drop: the QR code is another, although Amazon has refused nothing", after)
		}
		back, err := p.sim.Allow(st.AuthorizeURL)
		must(t, err)
		p.drop(back)
	}
	p.wantGoodToken(fmt.Sprintf("killed %v after the drop", after))
	p.kill()
	p.checkDisk()
	return outcome
}

// killedWhileProving starts with a pair that the person has just allowed: the
// poll, the save of the candidate and the refresh that proves it follow.
func killedWhileProving(t *testing.T, seed uint64) string {
	p := newProcess(t, MethodCBL, seed, lwatest.Options{Rotate: true})
	client := lwa.Client{ID: lwatest.DeviceClientID, Scopes: []string{"profile"}, Endpoints: loopback(p.Server), Transport: lwa.NewTransport()}
	d := stateDir{t, p.State}
	client.SerialNumber = d.serial()
	made, err := client.CodePair(t.Context())
	must(t, err)
	made.Interval = time.Millisecond // of our own, or each try would take half a minute
	d.save(record{Pair: pair{Pair: made, BootID: p.Boot, MadeFor: settings{client: &client}.pairKey(), Expires: Uptime() + made.Life}})
	must(t, p.sim.AllowPair(made.UserCode))
	p.slowly()
	p.begin()
	after := p.killWithin(20 * time.Millisecond)
	p.begin()
	st := p.follow("linked, or a code on the screen", func(st Status) bool { return st.State == Linked || st.UserCode != "" })
	if st.State != Linked {
		return "another code on the screen" // the answer to the poll was lost, and with it the pair
	}
	p.wantGoodToken(fmt.Sprintf("killed %v after the start", after))
	p.kill()
	p.checkDisk()
	return "linked"
}

// checkDisk looks for what a kill must not leave.
func (p *process) checkDisk() {
	p.t.Helper()
	if damaged, _ := filepath.Glob(filepath.Join(p.State, "*.damaged")); len(damaged) != 0 {
		p.t.Errorf("a kill damaged %v", damaged)
	}
	text, err := os.ReadFile(filepath.Join(p.State, currentName))
	must(p.t, err)
	if _, _, err := decodeRecord(text); err != nil {
		p.t.Errorf("a kill left a record that reads: %v", err)
	}
	if strings.Contains(p.stderr.String(), "Atza|") || strings.Contains(p.stderr.String(), "Atzr|") || strings.Contains(p.stderr.String(), "/ap/oa?") {
		p.t.Errorf("the log holds a secret:\n%s", p.stderr.String())
	}
}
