package webdriver

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
)

// Axe fails the test for whatever axe-core finds wrong with the page as it is
// now: contrast, labels, landmarks, headings. The environment variable
// LWA_AGENT_AXE says where its axe.min.js is; without it a subtest is skipped,
// and fails with CI=true.
func Axe(t *testing.T, b *Browser) {
	t.Helper()
	t.Run("axe", func(t *testing.T) {
		for _, f := range findings(t, b) {
			t.Error(f)
		}
	})
}

// findings are what axe-core finds wrong: the rule, the element, the cure.
func findings(t *testing.T, b *Browser) []string {
	t.Helper()
	path := os.Getenv("LWA_AGENT_AXE")
	if path == "" {
		missing(t, "no axe-core; set LWA_AGENT_AXE to the axe.min.js of the npm package axe-core to check pages for people who see or hear little")
	}
	axe, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	here := *b
	here.t = t
	here.Eval(string(axe), nil)
	var found struct {
		Error      string
		Passes     int
		Violations []struct {
			ID, Help string
			Nodes    []struct {
				Target         []any
				FailureSummary string
			}
		}
	}
	here.must(http.MethodPost, "/execute/async", map[string]any{"args": []any{}, "script": `
		const done = arguments[0];
		axe.run().then(r => done({violations: r.violations, passes: r.passes.length}), e => done({error: String(e)}));`}, &found)
	if found.Error != "" || found.Passes == 0 {
		t.Fatalf("axe did not check %s: %s", here.Address(), found.Error)
	}
	var lines []string
	for _, v := range found.Violations {
		for _, n := range v.Nodes {
			lines = append(lines, fmt.Sprintf("%s at %v: %s\n%s", v.ID, n.Target, v.Help, strings.TrimSpace(n.FailureSummary)))
		}
	}
	return lines
}
