package cli

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"lwa-agent/agent"
	"lwa-agent/cmd/internal/simulated"
	"lwa-agent/lwa"
	"lwa-agent/lwa/lwatest"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	// Scripts wait more than they work; -parallel still wins.
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
	}
	testscript.Main(m, map[string]func(){"lwa-agent": scriptedMain})
}

// scriptedMain is cmd/lwa-agent for scripts, where $CONFIG spares each line
// its --config.
func scriptedMain() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	args := os.Args[1:]
	if path := os.Getenv("CONFIG"); path != "" {
		args = append([]string{"--config", path}, args...)
	}
	status := Main(ctx, args, Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.Getenv})
	stop()
	os.Exit(status)
}

// TestScripts runs the scripts in testdata/script, each a page of a manual: the
// real agent on a device whose Amazon is simulated. Beside testscript's own
// commands there are:
//
//	amazon [code|cbl]   a simulated Amazon, and a config.toml for it
//	allow FILE          signs in at the address that the agent offers and writes
//	                    the address that the browser ends at to FILE
//	refused FILE        reports the token in FILE as refused by an API, as a
//	                    program does
//	otherprogram FILE   signs in as three shell scripts do, and writes what Amazon
//	                    answers to FILE
//	removeapp           removes the app in the person's account
//	await TEXT [FILE]   waits until the agent's status, or FILE, holds TEXT
//	exits N COMMAND     runs COMMAND, which must end with the status N
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Vars = append(env.Vars,
				"CONFIG="+filepath.Join(env.WorkDir, "config.toml"),
				"GORACE=atexit_sleep_ms=0", // else each command of a -race build sleeps for 1 s
			)
			sim := lwatest.New(lwatest.Options{})
			server := httptest.NewServer(sim)
			env.Values[world{}] = &world{sim, server.URL}
			env.Defer(func() {
				server.Close()
				if v := sim.Violations(); len(v) > 0 {
					t.Errorf("Amazon would not accept what it was sent: %q", v)
				}
				if c := sim.CodesSentTwice(); len(c) > 0 {
					t.Errorf("codes were sent twice: %q", c)
				}
			})
			return os.MkdirAll(filepath.Join(env.WorkDir, "inbox"), 0o700)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"amazon": amazon, "allow": allow, "removeapp": removeApp, "otherprogram": otherProgram, "refused": reportRefused, "await": await, "exits": exits,
		},
	})
}

// world is what is outside of a script's device.
type world struct {
	sim *lwatest.Sim
	url string
}

func amazon(ts *testscript.TestScript, neg bool, args []string) {
	method := "code"
	if len(args) > 0 {
		method = args[0]
	}
	if neg || len(args) > 1 || method != "code" && method != "cbl" {
		ts.Fatalf("usage: amazon [code|cbl]")
	}
	w := ts.Value(world{}).(*world)
	secret := ts.MkAbs("secret")
	ts.Check(os.WriteFile(secret, []byte(lwatest.WebClientSecret+"\n"), 0o600))
	text := simulated.Device{
		Amazon: w.url, Method: method, SecretFile: secret,
		StateDir: ts.MkAbs("state"), RuntimeDir: ts.MkAbs("run"), Inbox: ts.MkAbs("inbox"),
	}.Config()
	ts.Check(os.WriteFile(ts.MkAbs("config.toml"), []byte(text), 0o600))
}

func allow(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: allow FILE")
	}
	s := awaitStatus(ts, `"authorize_url"`)
	address, err := ts.Value(world{}).(*world).sim.Allow(s.AuthorizeURL)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(address+"\n"), 0o600))
}

func otherProgram(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: otherprogram FILE")
	}
	w := ts.Value(world{}).(*world)
	client := lwa.Client{ID: lwatest.WebClientID, Scopes: []string{"profile"}, Endpoints: lwa.Endpoints{Authorize: w.url + "/ap/oa"}}
	attempt := lwa.NewAttempt(lwatest.ReturnURL)
	address, err := w.sim.Allow(client.AuthorizeURL(attempt))
	ts.Check(err)
	back, err := url.Parse(address)
	ts.Check(err)
	answer, err := http.PostForm(w.url+"/auth/o2/token", url.Values{
		"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "redirect_uri": {lwatest.ReturnURL},
		"client_id": {lwatest.WebClientID}, "client_secret": {lwatest.WebClientSecret}, "code_verifier": {attempt.Verifier.Reveal()},
	})
	ts.Check(err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), text, 0o600))
}

func removeApp(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: removeapp")
	}
	ts.Value(world{}).(*world).sim.RemoveApp()
}

func reportRefused(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: refused FILE")
	}
	a := &app{configPath: ts.Getenv("CONFIG")}
	_, err := a.socket().Ask(context.Background(), http.MethodPost, "/refused", ts.ReadFile(args[0]))
	ts.Check(err)
}

func await(ts *testscript.TestScript, neg bool, args []string) {
	switch {
	case !neg && len(args) == 1:
		awaitStatus(ts, args[0])
	case !neg && len(args) == 2:
		awaitFile(ts, args[0], ts.MkAbs(args[1]))
	default:
		ts.Fatalf("usage: await TEXT [FILE]")
	}
}

// awaitFile waits for what a command in the background writes.
func awaitFile(ts *testscript.TestScript, text, path string) {
	ctx, cancel := context.WithTimeout(context.Background(), commandPatience)
	defer cancel()
	for {
		got, _ := os.ReadFile(path) // not there yet: no text
		if strings.Contains(string(got), text) {
			return
		}
		if !pause(ctx, 10*time.Millisecond) {
			ts.Fatalf("%s never holds %s; it is\n%s", path, text, got)
		}
	}
}

func awaitStatus(ts *testscript.TestScript, text string) agent.Status {
	ctx, cancel := context.WithTimeout(context.Background(), commandPatience)
	defer cancel()
	a := &app{configPath: ts.Getenv("CONFIG")}
	updates := a.socket().Follow(ctx, reconnectEvery)
	last := "nothing"
	for {
		u, err := next(ctx, updates)
		if err != nil {
			ts.Fatalf("the status never holds %s; the last was %s", text, last)
		}
		if u.Err != nil {
			last = u.Err.Error()
			continue
		}
		if last = string(u.Line); strings.Contains(last, text) {
			var s agent.Status
			ts.Check(json.Unmarshal(u.Line, &s))
			return s
		}
	}
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits N COMMAND …")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("%s ends with status %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}
