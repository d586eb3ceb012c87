package doctor_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/user"
	"strings"
	"syscall"
	"testing"
	"time"

	"lwa-agent/cmd/internal/cli"
	"lwa-agent/cmd/internal/doctor"
	"lwa-agent/display/panel"
	"lwa-agent/lwa"
	"lwa-agent/lwa/lwatest"
)

// TestEveryErrorOfAmazonHasItsMeaning: the body of each answer to the token that
// was made up, and what a person has to know of it.
func TestEveryErrorOfAmazonHasItsMeaning(t *testing.T) {
	t.Parallel()
	tab := `Amazon wants a client secret for this client id, so it is one from the tab "Web settings"`
	for _, answer := range []struct {
		fault lwatest.Fault
		line  string
	}{
		{lwatest.Fault{Refusal: lwatest.Revoked}, "ok amazon: the token endpoint knows this client id and its secret"},
		{lwatest.Fault{Refusal: lwatest.SpentCode}, "ok amazon: the token endpoint knows this client id and its secret"},
		{lwatest.Fault{Refusal: lwatest.WrongVerifier}, "ok amazon: the token endpoint knows this client id and its secret"},
		{lwatest.Fault{Refusal: lwatest.MissingSecret}, "fault amazon: " + tab},
		{lwatest.Fault{Refusal: lwatest.WrongSecret}, "fault amazon: Amazon does not know this client id and client secret"},
		{lwatest.Fault{Refusal: lwatest.Unauthorized}, "fault amazon: Amazon does not let this client id link in this way"},
		{lwatest.Fault{Refusal: lwatest.BadClientID}, "fault amazon: Amazon does not know this client id"},
		{lwatest.Fault{Refusal: lwatest.Malformed}, "fault amazon: the server refused the refresh: invalid_request"},
		{lwatest.Fault{Refusal: lwatest.MalformedCode}, "fault amazon: the server refused the refresh: invalid_request"},
		{lwatest.Fault{Refusal: lwatest.Unsupported}, "fault amazon: the server refused the refresh: unsupported_grant_type"},
		{lwatest.Fault{Refusal: lwatest.ServerError}, "warning amazon: 127.0.0.1:PORT answered 500: an outage of the server"},
		{lwatest.Failing(503), "warning amazon: 127.0.0.1:PORT answered 503: an outage"},
		{lwatest.Failing(429), "warning amazon: 127.0.0.1:PORT answered 429: an outage"},
		{lwatest.BadGateway(), "warning amazon: 127.0.0.1:PORT answered 502: an outage"},
		{lwatest.Failing(403), "fault amazon: 127.0.0.1:PORT gave an answer that is not Amazon's (403"},
		{lwatest.Failing(404), "fault amazon: 127.0.0.1:PORT gave an answer that is not Amazon's (404"},
		{lwatest.Redirecting(302, "https://portal.example/"), "fault amazon: 127.0.0.1:PORT gave an answer that is not Amazon's (302"},
		{lwatest.Empty(), "fault amazon: 127.0.0.1:PORT gave an answer that is not Amazon's"},
		{lwatest.Truncated(), "fault amazon: 127.0.0.1:PORT gave an answer that is not Amazon's"},
		{lwatest.Huge(), "fault amazon: 127.0.0.1:PORT gave an answer that is not Amazon's (200, longer than 64 KiB"},
		{lwatest.ConnectionReset(), "fault amazon: cannot reach 127.0.0.1:PORT: connection reset by peer"},
		{lwatest.Fault{Refusal: lwatest.Pending}, "warning amazon: nobody has finished signing in yet, which is no answer that Amazon"},
		{lwatest.Fault{Refusal: lwatest.SlowDown}, "warning amazon: asked too often, which is no answer"},
		{lwatest.Fault{Refusal: lwatest.InvalidCodePair}, "warning amazon: the server answered 400 invalid_code_pair"},
		{lwatest.Fault{Refusal: lwatest.AccessDenied}, "warning amazon: the server answered 400 access_denied"},
		{lwatest.Fault{Refusal: lwatest.ExpiredToken}, "warning amazon: the server answered 400 expired_token"},
		{lwatest.Fault{Status: 400, Header: map[string]string{"Content-Type": "application/json"}, Body: `{"error":"invalid_request","error_description":"The request has an invalid parameter : refresh_token"}`}, "ok amazon: the token endpoint answers; it said nothing of the client id"},
	} {
		t.Run(answer.fault.String(), func(t *testing.T) {
			t.Parallel()
			w := newWard(t, lwatest.Options{})
			w.configure()
			w.sim.Fail(answer.fault, -1, lwatest.Refresh)
			want(t, w.ask(), strings.Replace(answer.line, "PORT", port(w.server.URL), 1))
		})
	}
}

// TestNothingIsSpentOrChangedAtAmazon: a doctor that costs the link would be the
// worst of all ills.
func TestNothingIsSpentOrChangedAtAmazon(t *testing.T) {
	t.Parallel()
	w := newWard(t, lwatest.Options{RotateAtOnce: true})
	w.link()
	before := w.sim.Count(lwatest.Exchange, lwatest.CodePair, lwatest.Poll)
	refreshed := 0
	for range 3 {
		w.ask()
	}
	if n := w.sim.Count(lwatest.Exchange, lwatest.CodePair, lwatest.Poll) - before; n != 0 {
		t.Errorf("%d requests that use something up", n)
	}
	for _, r := range w.sim.Requests() {
		if r.Kind == lwatest.Refresh {
			refreshed++
			if r.Access != "" && refreshed > 1 {
				t.Error("a token was made for the doctor: it sent the device's own refresh token")
			}
		}
	}
	if refreshed < 3 {
		t.Errorf("%d refreshes were asked for, want one by each examination", refreshed)
	}
}

func (w *ward) command(args ...string) (string, int) {
	w.Helper()
	var out bytes.Buffer
	status := cli.Main(w.Context(), append([]string{"--config", w.path("config.toml"), "doctor"}, args...), cli.Streams{
		In: strings.NewReader(""), Out: &out, Err: &out, Env: func(string) string { return "" },
	})
	return out.String(), status
}

func TestReportIsOneScreenAndMayBeShownToEverybody(t *testing.T) {
	t.Parallel()
	w := newWard(t, lwatest.Options{})
	w.write("state/serial_number", "SERIAL0001\n")
	w.link()
	out, status := w.command()
	if status != 0 {
		t.Errorf("status %d, although nothing is wrong:\n%s", status, out)
	}
	if lines := strings.Count(out, "\n"); lines > 24 {
		t.Errorf("%d lines, more than a screen has:\n%s", lines, out)
	}
	for _, private := range []string{"Jo Example", "SERIAL0001", lwatest.WebClientID, lwatest.WebClientSecret, "Atz"} {
		if strings.Contains(out, private) {
			t.Errorf("%q is in what people paste in public:\n%s", private, out)
		}
	}
}

func TestProxyThatIsNoAddressIsNotTakenForNone(t *testing.T) {
	t.Parallel()
	w := newWard(t, lwatest.Options{})
	w.configure()
	w.patient.Proxy = func([]string) doctor.Proxy {
		return doctor.ProxyFromEnvironment([]string{"HTTPS_PROXY=http://user:50%off@proxy.example:3128"})
	}
	want(t, w.ask(), "fault proxy: the agent's HTTPS_PROXY is no address")
}

func TestJSONHasTheSameAndTheSameStatus(t *testing.T) {
	t.Parallel()
	w := newWard(t, lwatest.Options{})
	w.configure() // and no agent
	text, status := w.command("--json")
	var r doctor.Report
	if err := json.Unmarshal([]byte(text), &r); err != nil || status != 1 || r.Level != doctor.Fault || len(r.Findings) < 10 {
		t.Errorf("status %d, %v:\n%s", status, err, text)
	}
	want(t, r, "fault agent: the agent is not running")
}

// TestTranscriptOfTheDoctorBecomesATest: what one device got, lwatest answers
// again, and the doctor says the same of it.
func TestTranscriptOfTheDoctorBecomesATest(t *testing.T) {
	t.Parallel()
	w := newWard(t, lwatest.Options{})
	w.write("secret", "wrongwrongwrong")
	w.configure()
	var text bytes.Buffer
	w.patient.Through = lwa.NewTranscript(&text).Through
	recorded := w.ask()
	want(t, recorded, "fault amazon: Amazon does not know this client id and client secret")
	for _, private := range []string{"wrongwrongwrong", lwatest.WebClientID, "Atzr|0", "state="} {
		if strings.Contains(text.String(), private) {
			t.Errorf("%q is in the transcript:\n%s", private, text.String())
		}
	}

	replay, err := lwatest.ReadTranscript(&text)
	if err != nil {
		t.Fatal(err)
	}
	w.server.Close()
	w.patient.Through = func(http.RoundTripper) http.RoundTripper { return replay.RoundTripper() }
	again := w.ask()
	for _, r := range []doctor.Report{recorded, again} {
		want(t, r, "fault amazon: Amazon does not know this client id and client secret")
		want(t, r, "ok register: ")
	}
	if d := replay.Differences(); len(d) > 0 || replay.Left() > 0 {
		t.Errorf("%d answers are left, and %q", replay.Left(), d)
	}
}

// TestTranscriptThatIsNotWholeIsSaidEvenBesideAFault: somebody would send a file
// that lacks the answer. The disk is full in a file system of its own.
func TestTranscriptThatIsNotWholeIsSaidEvenBesideAFault(t *testing.T) {
	if !inMachine(t) {
		return
	}
	w := newWard(t, lwatest.Options{})
	w.configure() // and no agent, which is a fault
	w.write("there", "")
	full := w.path("full")
	if err := os.Mkdir(full, 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, "mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=3", "tmpfs", full)
	w.Cleanup(func() { _ = syscall.Unmount(full, syscall.MNT_DETACH) })
	w.write("full/fill", strings.Repeat("x", 4096))
	out, status := w.command("--transcript", w.path("full/said"))
	if status != 1 || !strings.Contains(out, "\nlwa-agent: the transcript is not whole: ") {
		t.Errorf("status %d, and nothing is said of the transcript in\n%s", status, out)
	}
}

// TestTextsThatLookLikeASecretAreHidden: whatever somebody wrote in the wrong place
// of a file with a mistake in it.
func TestTextsThatLookLikeASecretAreHidden(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{"Atzr|IwEBIhush", "Atza|IwEBIhush", "amzn1.oa2-cs.v1.hush", lwatest.WebClientID} {
		w := newWard(t, lwatest.Options{})
		w.write("config.toml", `scopes = ["`+secret+` "]`+"\nregion = \""+secret+"\"\n\""+secret+"\" = 1\n")
		out, _ := w.command()
		if strings.Contains(out, secret) || strings.Contains(out, "hush") || !strings.Contains(out, "region ") {
			t.Errorf("%q is in what people paste in public:\n%s", secret, out)
		}
	}
}

// TestDoctorOfAnAgentOfOnesOwnNamesNobody: user and group are the person's own.
func TestDoctorOfAnAgentOfOnesOwnNamesNobody(t *testing.T) {
	t.Parallel()
	w := newWard(t, lwatest.Options{})
	w.configure()
	if err := errors.Join(os.Chmod(w.path("state"), 0o777), os.Remove(w.path("inbox")), os.WriteFile(w.path("state/x"), nil, 0o666), os.Chown(w.path("run"), 4100, 4100)); err != nil {
		missing(t, err.Error())
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	r := w.ask()
	for _, f := range r.Findings {
		if strings.Contains(f.Cure, "-o "+me.Username) || strings.Contains(f.Cure, "-g "+me.Username) {
			t.Errorf("%+v names who asks", f)
		}
	}
	want(t, r, "fault inbox: "+w.path("inbox")+" does not exist")
}

func TestTranscriptDoesNotWriteOverAFile(t *testing.T) {
	t.Parallel()
	w := newWard(t, lwatest.Options{})
	w.configure()
	w.write("there", "precious")
	out, status := w.command("--transcript", w.path("there"))
	if status != 1 || !strings.HasPrefix(out, "lwa-agent: the transcript cannot be written: ") || strings.Count(out, "\n") != 1 {
		t.Errorf("status %d, %q; want a refusal on one line", status, out)
	}
}

func TestCheckThatHangsIsLeftBehind(t *testing.T) {
	t.Parallel()
	w := newWard(t, lwatest.Options{})
	w.configure()
	stuck := make(chan struct{})
	defer close(stuck)
	w.patient.Panels = hanging(stuck)
	w.patient.Patience = time.Second
	began := time.Now()
	want(t, w.ask(), "unseen displays: it did not answer within 1s")
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v: a loose wire would hide all else", took)
	}
}

// hanging is a bus that a loose wire holds.
func hanging(until chan struct{}) func() ([]panel.Found, []string) {
	return func() ([]panel.Found, []string) {
		<-until
		return nil, nil
	}
}
