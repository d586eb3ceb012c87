package lwa

import (
	"net/url"
	"strings"
	"testing"
)

func TestEveryRegionHasAmazonsAddresses(t *testing.T) {
	for region, hosts := range map[string][2]string{
		"na": {"www.amazon.com", "api.amazon.com"},
		"eu": {"eu.account.amazon.com", "api.amazon.co.uk"},
		"fe": {"apac.account.amazon.com", "api.amazon.co.jp"},
	} {
		e, ok := RegionEndpoints(region)
		if !ok {
			t.Fatalf("RegionEndpoints(%q) is unknown, so nobody there can link", region)
		}
		for address, want := range map[string]string{
			e.Authorize: hosts[0] + "/ap/oa",
			e.Token:     hosts[1] + "/auth/o2/token",
			e.Profile:   hosts[1] + "/user/profile",
			e.CodePair:  "api.amazon.com/auth/O2/create/codepair",
		} {
			u, err := url.Parse(address)
			if err != nil || u.Scheme != "https" || u.Host+u.Path != want {
				t.Errorf("%s: address %q (%v), want https://%s", region, address, err, want)
			}
		}
	}
	for _, region := range []string{"", "NA", "us", strings.Repeat("e", 1000)} {
		if e, ok := RegionEndpoints(region); ok || e != (Endpoints{}) {
			t.Errorf("RegionEndpoints(%q) = %+v, %t; a region nobody knows must not send a secret anywhere", region, e, ok)
		}
	}
}
