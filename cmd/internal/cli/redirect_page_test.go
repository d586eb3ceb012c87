package cli

import (
	"crypto/sha256"
	"encoding/base64"
	"regexp"
	"strings"
	"testing"
)

// A browser runs nothing of a page whose policy names another hash.
func TestRedirectPagePolicyNamesItsOwnBlocks(t *testing.T) {
	for _, element := range []string{"style", "script"} {
		_, after, _ := strings.Cut(redirectPage, "<"+element+">")
		block, _, found := strings.Cut(after, "</"+element+">")
		if !found || strings.Count(redirectPage, "<"+element) != 1 {
			t.Fatalf("want one <%s> in the page", element)
		}
		sum := sha256.Sum256([]byte(block))
		want := element + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "';"
		if !strings.Contains(redirectPage, want) {
			got := regexp.MustCompile(element + `-src [^;]*;`).FindString(redirectPage)
			t.Errorf("the <%s> was edited: in the policy of redirect-page.html replace\n\t%s\nby\n\t%s", element, got, want)
		}
	}
}

func TestRedirectPageIsSmallAndLoadsNothing(t *testing.T) {
	if len(redirectPage) > 8<<10 {
		t.Errorf("the page has %d bytes, want 8 KiB at most", len(redirectPage))
	}
	for _, meta := range []string{
		`content="default-src 'none'; style-src 'sha256-`, `base-uri 'none'; form-action 'none'">`,
		`<meta name="referrer" content="no-referrer">`,
	} {
		if !strings.Contains(redirectPage, meta) {
			t.Errorf("the page lacks %s", meta)
		}
	}
	for _, load := range []string{`https?://[^' /]`, `\b(src|href|action)=`, `url\(`, `@import`, `\bcookie`, `innerHTML`, `document\.write`, `\beval\b`} {
		if found := regexp.MustCompile(load).FindString(redirectPage); found != "" {
			t.Errorf("the page holds %q", found)
		}
	}
}

// A phone of 2017 stops at the first thing that it can't read, and runs nothing.
func TestRedirectPageIsReadByOldBrowsers(t *testing.T) {
	_, script, _ := strings.Cut(redirectPage, "<script>")
	for what, newer := range map[string]string{
		"optional chaining, ES2020":      `\?\.[a-zA-Z[(]`,
		"nullish coalescing, ES2020":     `\?\?`,
		"catch without a name, ES2019":   `catch\s*\{`,
		"spread in objects, ES2018":      `\{\s*\.\.\.`,
		"look-behind, ES2018":            `\(\?<`,
		"flags of expressions, ES2018":   `/[gimuy]*[sdv][gimuy]*[.,;)]`,
		"private names, ES2022":          `\bthis\.#`,
		"async iteration, ES2018":        `for await|async \*`,
		"replaceAll, at, allSettled":     `\.(replaceAll|at|allSettled|flat|matchAll)\(`,
		"what no phone of then knows of": `URLPattern|structuredClone|navigation\.`,
	} {
		if found := regexp.MustCompile(newer).FindString(script); found != "" {
			t.Errorf("the script holds %q: %s", found, what)
		}
	}
}
