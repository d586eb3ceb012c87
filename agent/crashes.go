package agent

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	// crashesName holds how many starts in a row came to nothing.
	crashesName = "crashes"
	// steadyAfter is how long an agent must live to count as well.
	steadyAfter = 10 * time.Minute
)

// heedCrashes puts calls off after several starts that came to nothing.
func (a *Agent) heedCrashes() {
	crashes, err := a.countStart()
	if err != nil {
		a.cfg.Log.Warn("a crash would not be counted", "error", err)
	}
	if crashes > 0 {
		a.cfg.Log.Warn("the agent was ended before it came to anything", "times", crashes)
		a.m.afterCrashes(crashes)
	}
}

// countStart counts a start that has come to nothing yet, and returns how many
// such there were in a row before it, in this boot. systemd starts an agent
// that crashes again after five seconds, for ever; what it crashes of may be an
// answer of Amazon's, and a fleet with that bug must not ask every five seconds.
func (a *Agent) countStart() (crashes int, err error) {
	if a.cfg.RuntimeDir == "" || a.cfg.BootID == "" {
		return 0, nil
	}
	path := filepath.Join(a.cfg.RuntimeDir, crashesName)
	text, _ := readSmall(path) // not there after a good end
	if boot, n, _ := strings.Cut(string(text), " "); boot == a.cfg.BootID {
		crashes, _ = strconv.Atoi(n)
	}
	a.unsteady = true
	return crashes, replaceFile(path, []byte(a.cfg.BootID+" "+strconv.Itoa(crashes+1)), 0o600, -1)
}

// steady takes the count back: an answer of Amazon's was digested, or the agent
// has lived for a while, or ends as it should.
func (a *Agent) steady() {
	if !a.unsteady {
		return
	}
	a.unsteady = false
	err := removeFile(filepath.Join(a.cfg.RuntimeDir, crashesName))
	if err != nil && !errors.Is(err, os.ErrPermission) {
		a.cfg.Log.Warn("the count of crashes stays", "error", err)
	}
}
