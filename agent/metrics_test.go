package agent

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"lwa-agent/lwa"
	"lwa-agent/lwa/lwatest"
	"lwa-agent/lwa/lwatest/harness"
)

// samples are the values of a text in Prometheus' format, by name and labels as
// they are written. The text must be as the format's document says
// (https://prometheus.io/docs/instrumenting/exposition_formats/), and more: each
// name with its HELP and TYPE before it, in one block, no sample twice.
func samples(t *testing.T, text string) map[string]float64 {
	t.Helper()
	const name, label = `[a-z_][a-z0-9_]*`, `[a-z_][a-z0-9_]*="(?:[^"\\\n]|\\["\\n])*"`
	help := regexp.MustCompile(`^# HELP (` + name + `) ([^\\]|\\[\\n])+$`)
	kind := regexp.MustCompile(`^# TYPE (` + name + `) (counter|gauge)$`)
	sample := regexp.MustCompile(`^(` + name + `)((?:\{` + label + `(?:,` + label + `)*\})?) (\S+)$`)
	if text == "" || !strings.HasSuffix(text, "\n") {
		t.Errorf("the last line does not end: %q", text)
	}
	values, kinds := map[string]float64{}, map[string]string{}
	helped, current := "", ""
	for number, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		wrong := func(why string) { t.Helper(); t.Errorf("line %d: %s: %q", number+1, why, line) }
		if m := help.FindStringSubmatch(line); m != nil {
			helped = m[1]
			continue
		}
		if m := kind.FindStringSubmatch(line); m != nil {
			current = m[1]
			switch {
			case current != helped:
				wrong("a type without help before it")
			case kinds[current] != "":
				wrong("a name that was there before")
			case (m[2] == "counter") != strings.HasSuffix(current, "_total"):
				wrong("a counter ends in _total, and nothing else does")
			}
			kinds[current] = m[2]
			continue
		}
		m := sample.FindStringSubmatch(line)
		if m == nil {
			wrong("no line of the format")
			continue
		}
		v, err := strconv.ParseFloat(m[3], 64)
		switch _, again := values[m[1]+m[2]]; {
		case m[1] != current:
			wrong("a sample outside of its block")
		case err != nil || math.IsNaN(v) || math.IsInf(v, 0):
			wrong("no number")
		case again:
			wrong("a sample that was there before")
		case kinds[current] == "counter" && v < 0:
			wrong("a counter below 0")
		}
		values[m[1]+m[2]] = v
	}
	return values
}

// promtool judges by Prometheus' own parser and rules of style. It is looked for
// at $LWA_AGENT_PROMTOOL too: Debian's package of it has a whole server beside it.
func promtool(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("LWA_AGENT_PROMTOOL"); path != "" {
		return path
	}
	path, err := exec.LookPath("promtool")
	if err != nil {
		harness.Missing(t, "promtool is missing: apt-get install prometheus, or name it in LWA_AGENT_PROMTOOL")
	}
	return path
}

func TestMetricsTellWhatTheStatusTells(t *testing.T) {
	s := serveAgent(t, nil)
	at := func() map[string]float64 {
		t.Helper()
		a := s.want(s.do("GET", "/metrics", ""), 200, "metrics")
		if got := a.header.Get("Content-Type"); got != "text/plain; version=0.0.4; charset=utf-8" {
			t.Errorf("Content-Type %q is not what Prometheus takes", got)
		}
		if strings.Contains(a.text, "Atz") {
			t.Errorf("a secret is in\n%s", a.text)
		}
		return samples(t, a.text)
	}
	before := at()
	for name, want := range map[string]float64{`lwa_agent_state{state="unlinked"}`: 1, `lwa_agent_state{state="linked"}`: 0, "lwa_agent_token_expires_seconds": 0, `lwa_agent_build_info{version="1.2.3"}`: 1} {
		if got, ok := before[name]; !ok || got != want {
			t.Errorf("not linked: %s is %v (%v), want %v", name, got, ok, want)
		}
	}
	if _, ok := before["lwa_agent_last_success_timestamp_seconds"]; ok {
		t.Error("a success, and there was none")
	}
	s.link()
	s.want(s.do("GET", "/token", ""), 200, "linked")
	after := at()
	mine := fmt.Sprintf(`lwa_agent_handouts_total{uid="%d",user="%s"}`, os.Geteuid(), reader{uid: uint32(os.Geteuid())}.user())
	for name, want := range map[string]float64{`lwa_agent_state{state="unlinked"}`: 0, `lwa_agent_state{state="linked"}`: 1, mine: 1, `lwa_agent_refreshes_total{outcome="ok"}`: 0} {
		if got, ok := after[name]; !ok || got != want {
			t.Errorf("linked: %s is %v (%v), want %v", name, got, ok, want)
		}
	}
	if left := after["lwa_agent_token_expires_seconds"]; left < 3500 || left > 3600 {
		t.Errorf("the token is good for %v s, want about an hour", left)
	}
	if when := after["lwa_agent_last_success_timestamp_seconds"]; math.Abs(when-float64(time.Now().Unix())) > 60 {
		t.Errorf("the last success was at %v, want now", when)
	}
	if after["lwa_agent_store_writes_total"] <= before["lwa_agent_store_writes_total"] {
		t.Error("the link was saved, and no write is counted")
	}
}

// TestRefreshesAreCountedByTheirOutcome looks at each outcome once.
func TestRefreshesAreCountedByTheirOutcome(t *testing.T) {
	codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) {
		h.link()
		refreshes := func() [tallied]uint64 { return h.agent.view.Load().tally.refreshes }
		counts := func() string {
			text := metricsOf(h.agent.view.Load(), nil, h.cfg.Uptime())
			s := samples(t, text)
			return fmt.Sprint(s[`lwa_agent_refreshes_total{outcome="ok"}`], s[`lwa_agent_refreshes_total{outcome="passing"}`],
				s[`lwa_agent_refreshes_total{outcome="configuration"}`], s[`lwa_agent_refreshes_total{outcome="revoked"}`], s[`lwa_agent_state{state="unlinked"}`])
		}
		if got := counts(); got != "0 0 0 0 0" {
			t.Errorf("%s before any refresh", got)
		}
		h.pass(50 * time.Minute)
		if got := counts(); got != "1 0 0 0 0" {
			t.Errorf("%s, want one that worked", got)
		}
		worked := h.agent.view.Load().tally.last
		h.sim.Fail(lwatest.Busy(503, 0), 1, lwatest.Refresh)
		h.until("one that failed for a moment, and the next that worked", 50*time.Minute, func() bool {
			return refreshes() == [tallied]uint64{refreshWorked: 2, refreshPassing: 1}
		})
		if got := counts(); got != "2 1 0 0 0" {
			t.Errorf("%s, want one that failed for a moment and two that worked", got)
		}
		if h.agent.view.Load().tally.last <= worked {
			t.Error("the last success is still the first one")
		}
		h.sim.RemoveApp()
		h.until("removed", 50*time.Minute, h.is(Unlinked))
		if got := counts(); got != "2 1 0 1 1" {
			t.Errorf("%s, want one that was revoked", got)
		}
	})
}

func TestConfigurationMistakeIsAnOutcomeOfItsOwn(t *testing.T) {
	var y refreshTally
	for _, kind := range []lwa.Kind{lwa.Passing, lwa.Configuration, lwa.Spent, lwa.Pending, lwa.SlowDown} {
		y.count(&lwa.Error{Kind: kind})
	}
	y.count(nil)
	if want := [tallied]uint64{refreshWorked: 1, refreshPassing: 3, refreshMisconfigured: 1, refreshRevoked: 1}; y.refreshes != want {
		t.Errorf("%v, want %v", y.refreshes, want)
	}
}

// aFullView has every number and a label of each kind of character.
func aFullView() string {
	nasty := "a\\b\"c\nd\xffe{},é"
	v := &view{
		codes:  [sources]string{"store", "network", "", "store", nasty},
		status: Status{State: Linked, Clock: Clock{true, -7200}, StoreWrites: 1 << 40, Version: "v1.2.3"},
		access: access{Token: lwa.NewSecret("Atza|x"), Expires: time.Hour, Life: time.Hour},
		tally:  refreshTally{refreshes: [tallied]uint64{1, 2, 3, 4}, last: time.Minute},
	}
	return metricsOf(v, []Handout{{UID: 0, User: "root", Unit: nasty, Count: 3}, {UID: 1000, User: "pi", Count: 1}, {UID: -1, Count: 9}}, 2*time.Minute)
}

func TestWhateverStandsInALabelTheFormatHolds(t *testing.T) {
	got := samples(t, aFullView())
	want := `lwa_agent_handouts_total{uid="0",user="root",unit="a\\b\"c\nd` + "\ufffd" + `e{},é"}`
	if got[want] != 3 || got[`lwa_agent_handouts_total{uid="-1"}`] != 9 || got["lwa_agent_clock_skew_seconds"] != -7200 || got[`lwa_agent_problem{code="store"}`] != 1 {
		t.Errorf("%v\nwant %s among them", got, want)
	}
}

func TestPromtoolTakesTheMetrics(t *testing.T) {
	tool := promtool(t)
	cmd := exec.CommandContext(t.Context(), tool, "check", "metrics")
	cmd.Stdin = strings.NewReader(aFullView())
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics is to be silent: %v\n%s", err, out)
	}
}

// TestNamesInTheExamplesAndTheREADMEAreTold: an alert on a name that nobody tells
// is silent for ever.
func TestNamesInTheExamplesAndTheREADMEAreTold(t *testing.T) {
	told := regexp.MustCompile(`(?m)^# TYPE (\S+)`).FindAllStringSubmatch(aFullView(), -1)
	var names []string
	for _, m := range told {
		names = append(names, m[1])
	}
	name := regexp.MustCompile(`\blwa_agent_[a-z_]+`)
	for _, path := range []string{"../systemd/examples/alerts.yml", "../systemd/testdata/alerts_test.yml", "../README.md"} {
		text, err := os.ReadFile(path)
		must(t, err)
		found := name.FindAllString(string(text), -1)
		if len(found) == 0 {
			t.Errorf("%s names no number", path)
		}
		for _, n := range found {
			if !slices.Contains(names, n) {
				t.Errorf("%s names %s, which /metrics does not have", path, n)
			}
		}
		if path == "../README.md" {
			for _, n := range names {
				if !slices.Contains(found, n) {
					t.Errorf("%s does not name %s", path, n)
				}
			}
		}
	}
}
