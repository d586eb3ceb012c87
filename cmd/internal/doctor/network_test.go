package doctor_test

import (
	"io"
	"log"
	"net/http"
	"os"
	"testing"
	"time"

	"lwa-agent/cmd/internal/doctor"
)

func silent() *log.Logger { return log.New(io.Discard, "", 0) }

// TestEachFaultOfANetworkIsNamed makes each with real sockets, a real name server
// and real certificates, where Amazon has its own name.
func TestEachFaultOfANetworkIsNamed(t *testing.T) {
	if !inMachine(t) {
		return
	}
	for _, i := range []struct {
		name  string
		lines []string
		make  func(*ward)
	}{
		{"all well", []string{"ok dns: finds api.amazon.com", "ok tls: api.amazon.com proved who it is (TLS 1.3", "ok portal: none: api.amazon.com leads to its own https", "ok amazon: the token endpoint knows this client id"}, func(w *ward) {
			w.names(amazonAddress, true)
			w.amazonHere(amazonHost, time.Now().Add(-time.Hour))
			w.portalHere(func(rw http.ResponseWriter, r *http.Request) {
				http.Redirect(rw, r, "https://www.amazon.com/", http.StatusMovedPermanently)
			})
		}},
		{"no network", []string{"fault dns: api.amazon.com cannot be looked up", "unseen amazon: the token endpoint could not be asked", "unseen tls: there was no answer"}, func(w *ward) {
			_ = os.WriteFile("/etc/resolv.conf", []byte("nameserver 198.51.100.1\n"), 0o644)
		}},
		{"no name server there", []string{"fault dns: api.amazon.com cannot be looked up"}, func(*ward) {}},
		{"name server that says nothing", []string{"fault dns: no name server answers"}, func(w *ward) { w.patient.Patience = time.Second; w.names("", false) }},
		{"name that does not exist", []string{"fault dns: there is no api.amazon.com, says the name server"}, func(w *ward) { w.names("", true) }},
		{"name that a filter hides", []string{"fault dns: api.amazon.com is said to be at 0.0.0.0, which is not Amazon"}, func(w *ward) { w.names("0.0.0.0", true) }},
		{"nobody listens", []string{"ok dns: finds api.amazon.com", "fault amazon: cannot reach api.amazon.com: connection refused"}, func(w *ward) { w.names(amazonAddress, true) }},
		{"certificate of next week", []string{"fault tls: api.amazon.com has a certificate that is not valid at this device's time", "unseen amazon: there was no connection that can be trusted"}, func(w *ward) {
			w.names(amazonAddress, true)
			w.amazonHere(amazonHost, time.Now().AddDate(0, 0, 7))
		}},
		{"certificate of another name", []string{"fault tls: api.amazon.com did not prove who it is: its certificate is for another name"}, func(w *ward) {
			w.names(amazonAddress, true)
			w.amazonHere("portal.example", time.Now().Add(-time.Hour))
		}},
		{"portal that redirects", []string{"fault portal: this network has a sign-in page: api.amazon.com is answered by login.portal.example", "fault amazon: cannot reach api.amazon.com"}, func(w *ward) {
			w.names(amazonAddress, true)
			w.portalHere(func(rw http.ResponseWriter, r *http.Request) {
				http.Redirect(rw, r, "http://login.portal.example/?mac=secret", http.StatusFound)
			})
		}},
		{"portal that answers itself", []string{"fault portal: this network has a sign-in page: it answers in place of api.amazon.com"}, func(w *ward) {
			w.names(amazonAddress, true)
			w.portalHere(func(rw http.ResponseWriter, _ *http.Request) {
				rw.Header().Set("Content-Type", "text/html")
				_, _ = io.WriteString(rw, "<html>Welcome to the hotel")
			})
		}},
	} {
		t.Run(i.name, func(t *testing.T) {
			w := atAmazon(t)
			i.make(w)
			r := w.ask()
			for _, line := range i.lines {
				want(t, r, line)
			}
			if faults := r.Level == doctor.Fault; !faults {
				t.Error("the agent does not run, so there is one fault at least")
			}
		})
	}
}
