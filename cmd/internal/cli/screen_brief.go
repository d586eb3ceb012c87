package cli

import (
	"fmt"
	"strings"
	"time"

	"lwa-agent/agent"
)

// briefTitle is the title where there is room for 18 letters at most.
const briefTitle = "Link to Amazon"

// mostLeft is more than any code pair is good for: with more than that left, the
// clock is wrong.
const mostLeft = 24 * time.Hour

// timeLeft says for how long a code pair is good, by the minute: a display that
// is written to each second wears out, and takes the bus from others.
func timeLeft(st agent.Status, now time.Time) (words, brief string) {
	if st.LinkExpiresAt == nil {
		return "", ""
	}
	switch left := st.LinkExpiresAt.Sub(now); {
	case left <= 0, left > mostLeft:
		return "", ""
	case left <= time.Minute:
		return "Less than a minute left.", "< 1 min"
	default:
		minutes := int((left + time.Minute - 1) / time.Minute)
		return fmt.Sprintf("%d minutes left.", minutes), fmt.Sprintf("%d min", minutes)
	}
}

// briefProblem is what is wrong in 2 rows of 18 letters, and for everything
// that is not so plain where the rest stands.
func briefProblem(p *agent.Problem) string {
	switch p.Code {
	case "network", "timeout":
		return "No way to Amazon: check network"
	case "server", "not_oauth":
		return "Amazon answers wrongly; waiting"
	case "clock":
		return "The clock is not set"
	case "access_denied":
		return "Canceled: scan once more"
	case "invalid_grant":
		return "Code refused: scan once more"
	}
	return strings.ReplaceAll(p.Code, "_", " ") + ": lwa-agent status"
}
