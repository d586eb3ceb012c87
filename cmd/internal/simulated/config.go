// Package simulated configures a device that links to the Amazon of lwatest: for
// the demo, the measurements and tests.
package simulated

import (
	"fmt"

	"lwa-agent/agent"
	"lwa-agent/lwa/lwatest"
)

// Device is what differs between such devices.
type Device struct {
	Amazon     string // its address, without a slash at the end
	Method     string // agent.MethodCode or agent.MethodCBL, each with its kind of client id
	SecretFile string // with lwatest.WebClientSecret, for MethodCode
	StateDir   string
	RuntimeDir string
	Inbox      string // a directory
}

// Config is the text of its configuration file; a [[display]] may follow.
func (d Device) Config() string {
	client := fmt.Sprintf("client_id = %q\nclient_secret_file = %q", lwatest.WebClientID, d.SecretFile)
	if d.Method == agent.MethodCBL {
		client = fmt.Sprintf("client_id = %q", lwatest.DeviceClientID)
	}
	return fmt.Sprintf(`%s
method = %q
state_dir = %q
runtime_dir = %q

[inbox]
paths = [%q]

[refresh]
boot_spread = "0s"

%s`, client, d.Method, d.StateDir, d.RuntimeDir, d.Inbox+"/", Endpoints(d.Amazon))
}

// Endpoints is the part of a configuration that puts the simulated Amazon at
// url, without a slash at its end, in the place of the real one.
func Endpoints(url string) string {
	return fmt.Sprintf(`[endpoints]
authorize = %q
token = %q
codepair = %q
`, url+"/ap/oa", url+"/auth/o2/token", url+"/auth/O2/create/codepair")
}
