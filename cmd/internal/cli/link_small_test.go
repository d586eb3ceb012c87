package cli

import (
	"strings"
	"testing"

	"lwa-agent/agent"
	"lwa-agent/display/displaytest"
)

// TestTheWayWithoutAPasteStaysInSight at the size of most terminals over SSH,
// with an authorize URL of 300 characters: four rows.
func TestTheWayWithoutAPasteStaysInSight(t *testing.T) {
	st := unlinked()
	st.Method, st.Reason, st.AuthorizeURL = agent.MethodCode, "not linked yet", longURL[:300]
	st.Loopback = &agent.Loopback{Address: "localhost:9745", Fingerprint: strings.Repeat("AB:", 31) + "AB"}
	s := startFake(t, st).sitDown(80, 24, "link")
	s.out.await(t, "Code or address: ")
	picture, err := displaytest.Replay([]byte(s.out.String()), 80, 24)
	if err != nil {
		t.Fatal(err)
	}
	if seen := picture.Text(); !strings.Contains(seen, "Without a paste: run this") {
		t.Errorf("the way without a paste has scrolled out of sight:\n%s", seen)
	}
	s.stop()
	s.wait()
}
