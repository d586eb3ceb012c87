package agent

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// metricsType is Prometheus' text format.
const metricsType = "text/plain; version=0.0.4; charset=utf-8"

func (a *Agent) getMetrics(w http.ResponseWriter, _ *http.Request) {
	now := a.cfg.Uptime()
	answerText(w, http.StatusOK, metricsType, []byte(metricsOf(a.view.Load(), a.takings.list(now), now)))
}

// metricsOf is what /metrics says: names and labels are part of the contract. A
// value that is not known is left out, since 0 would be one.
func metricsOf(v *view, handouts []Handout, now time.Duration) string {
	var m metrics
	s := v.status
	m.family("lwa_agent_state", "gauge", "1 for the state of the link, 0 for the others.")
	for _, state := range [...]string{Unlinked, Linking, Linked} {
		m.sample(oneIf(s.State == state), "state", state)
	}
	m.family("lwa_agent_token_expires_seconds", "gauge", "How long the access token is still good; 0 while there is none.")
	m.sample(v.access.left(now).Seconds())
	m.family("lwa_agent_refreshes_total", "counter", "Refreshes since the start, by what came of them.")
	for outcome, name := range [tallied]string{refreshWorked: "ok", refreshPassing: "passing", refreshMisconfigured: "configuration", refreshRevoked: "revoked"} {
		m.sample(float64(v.tally.refreshes[outcome]), "outcome", name)
	}
	if v.tally.last >= 0 {
		m.family("lwa_agent_last_success_timestamp_seconds", "gauge", "When Amazon last gave a token, by this device's clock.")
		m.sample(float64(time.Now().Add(v.tally.last-now).UnixMilli()) / 1000)
	}
	m.family("lwa_agent_problem", "gauge", "1 for each problem that is not mended, by its code.")
	codes := slices.Sorted(slices.Values(v.codes[:])) // a copy: the view never changes
	for _, code := range slices.Compact(codes) {
		if code != "" {
			m.sample(1, "code", code)
		}
	}
	m.family("lwa_agent_warning", "gauge", "1 for each thing that works now and may not for ever, by its code.")
	for _, w := range s.Warnings {
		m.sample(1, "code", w.Code)
	}
	m.family("lwa_agent_store_encrypted", "gauge", "Whether the link is encrypted on the disk.")
	m.sample(oneIf(s.StoreKey != ""))
	m.family("lwa_agent_clock_skew_seconds", "gauge", "Amazon's clock less this device's; 0 until Amazon answered.")
	m.sample(float64(s.Clock.SkewSeconds))
	m.family("lwa_agent_clock_synchronized", "gauge", "Whether something keeps this device's clock right.")
	m.sample(oneIf(s.Clock.Synchronized))
	m.family("lwa_agent_store_writes_total", "counter", "Writes to the state directory since the start.")
	m.sample(float64(s.StoreWrites))
	m.family("lwa_agent_handouts_total", "counter", "Access tokens handed out since the start, by user and by the unit for which systemd took it; uid -1 is all who came late.")
	for _, h := range handouts {
		m.sample(float64(h.Count), "uid", strconv.FormatInt(h.UID, 10), "user", h.User, "unit", h.Unit)
	}
	m.family("lwa_agent_build_info", "gauge", "1, by the version.")
	m.sample(1, "version", s.Version)
	return m.String()
}

// metrics writes the text format (https://prometheus.io/docs/instrumenting/exposition_formats/).
type metrics struct {
	strings.Builder
	name string
}

func (m *metrics) family(name, kind, help string) {
	m.name = name
	fmt.Fprintf(m, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

// sample writes a value with its labels, in pairs of name and value. Those without
// a value are as good as absent.
func (m *metrics) sample(value float64, labels ...string) {
	m.WriteString(m.name)
	separator := byte('{')
	for i := 0; i < len(labels); i += 2 {
		if labels[i+1] == "" {
			continue
		}
		m.WriteByte(separator)
		separator = ','
		escaped := strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`).Replace(strings.ToValidUTF8(labels[i+1], "\ufffd"))
		fmt.Fprintf(m, `%s="%s"`, labels[i], escaped)
	}
	if separator == ',' {
		m.WriteByte('}')
	}
	fmt.Fprintf(m, " %s\n", strconv.FormatFloat(value, 'g', -1, 64))
}

func oneIf(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
