package doctor_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"lwa-agent/cmd/internal/doctor"
	"lwa-agent/cmd/internal/socket"
	"lwa-agent/lwa/lwatest"

	"github.com/creack/pty"
)

// ills are faults that are made for real on one device, each with the line that
// must tell of it. What needs a network, users or disks of its own is in
// machine_test.go.
func ills() []ill {
	return []ill{
		{"no configuration", "fault config: there is no ", func(*ward) {}},
		{"mistake in the configuration", "fault config: CONFIG:1: client_id stands in braces", func(w *ward) { w.write("config.toml", `client_id = "{amzn1.application-oa2-client.x}"`) }},
		{"configuration that is no file", "fault config: CONFIG: the configuration cannot be read: it is no regular file", func(w *ward) { _ = os.Mkdir(w.path("config.toml"), 0o700) }},
		{"service stopped", "fault agent: the agent is not running", func(w *ward) { w.configure() }},
		{"socket of somebody else", "fault agent: what answers at ", func(w *ward) { w.configure(); w.impostor() }},
		{"never linked", "warning agent: not linked: not linked yet", func(w *ward) { w.start() }},
		{"app removed", "warning agent: not linked: removed in the Amazon account", (*ward).removed},
		{"secret wrong, as Amazon has it", "fault amazon: Amazon does not know this client id and client secret", func(w *ward) { w.write("secret", "wrong"); w.configure() }},
		{"secret wrong, as the agent has it", "fault agent: Amazon does not know this client id and client secret", func(w *ward) { w.write("secret", "wrong"); w.start(); w.drop() }},
		{"secret forgotten", `fault amazon: Amazon wants a client secret for this client id, so it is one from the tab "Web settings"`, func(w *ward) { w.write("secret", ""); w.configure() }},
		{"secret for all to read", "warning config: CONFIG:2: everybody on this device can read ", func(w *ward) { _ = os.Chmod(w.path("secret"), 0o644); w.configure() }},
		{"credential for all to read", "warning secret: everybody on this device can read ", func(w *ward) { w.credential(0o644); w.configure() }},
		{"two secrets", "warning secret: there are two client secrets", func(w *ward) { w.credential(0o600); w.configure() }},
		{"client id of a stranger", "fault amazon: Amazon does not know this client id", func(w *ward) {
			w.replace(lwatest.WebClientID, strings.Replace(lwatest.WebClientID, "1f0c", "0000", 1))
			w.configure()
		}},
		{"client id of the wrong tab", "fault amazon: Amazon wants a client secret", func(w *ward) {
			w.device.Method = "cbl"
			w.replace(lwatest.DeviceClientID, lwatest.WebClientID)
			w.configure()
		}},
		{"redirect not registered", "fault register: the sign-in page refuses this redirect", func(w *ward) { w.replace("/authresponse", "/other"); w.configure() }},
		{"sign-in page that says nothing", "unseen register: the sign-in page answered 503", func(w *ward) { w.sim.Fail(lwatest.Failing(503), -1, lwatest.Authorize); w.configure() }},
		{"captive portal", "fault amazon: 127.0.0.1", func(w *ward) { w.sim.Fail(lwatest.Portal(), -1); w.configure() }},
		{"outage", "warning amazon: 127.0.0.1", func(w *ward) { w.sim.Fail(lwatest.Busy(503, time.Minute), -1); w.configure() }},
		{"outage while linked", "warning amazon: 127.0.0.1", func(w *ward) { w.link(); w.sim.Fail(lwatest.BadGateway(), -1) }},
		{"connection refused", "fault amazon: cannot reach 127.0.0.1", func(w *ward) { w.configure(); w.server.Close() }},
		{"connection that says nothing", "fault amazon: 127.0.0.1", func(w *ward) { w.patient.Patience = time.Second; w.sim.Fail(lwatest.Silent(), -1); w.configure() }},
		{"certificate of nobody", "fault tls: 127.0.0.1:PORT did not prove who it is: its certificate comes from nobody", (*ward).overTLS},
		{"clock an hour ahead", "warning clock: ", func(w *ward) { w.sim.Change(func(o *lwatest.Options) { o.Skew = -time.Hour }); w.configure() }},
		{"clock forty days behind", "fault clock: the clock says ", func(w *ward) { w.sim.Change(func(o *lwatest.Options) { o.Skew = 40 * 24 * time.Hour }); w.configure() }},
		{"clock before this program was made", "fault clock: the clock says ", func(w *ward) { w.patient.Built = time.Now().AddDate(1, 0, 0); w.configure() }},
		{"proxy that is gone", "fault proxy: the agent's proxy cannot be reached: connection refused", func(w *ward) { w.proxied(0) }},
		{"proxy that wants a password", "fault proxy: the agent's proxy wants a user and a password (407)", func(w *ward) { w.proxied(407) }},
		{"proxy that refuses Amazon", "fault proxy: the agent's proxy refuses 127.0.0.1 (403)", func(w *ward) { w.proxied(403) }},
		{"drop directory gone", "fault inbox: INBOX does not exist", func(w *ward) { w.configure(); _ = os.Remove(w.path("inbox")) }},
		{"drop directory that is a file", "fault inbox: INBOX is no directory", func(w *ward) { w.configure(); _ = os.Remove(w.path("inbox")); w.write("inbox", "") }},
		{"drop directory without a sticky bit", "warning inbox: everybody can write to INBOX", func(w *ward) { w.configure(); _ = os.Chmod(w.path("inbox"), 0o777) }},
		{"drop directory that is immutable", "fault inbox: nothing can be dropped into INBOX: it is immutable", (*ward).immutableInbox},
		{"state damaged", "fault state: STATE/link.json cannot be used: checksum: damaged", func(w *ward) { w.configure(); w.write("state/link.json", "{}\n") }},
		{"state that was damaged", "warning state: STATE/link.json.damaged was damaged once", func(w *ward) { w.write("state/link.json", "{}\n"); w.start() }},
		{"state for all to read", "warning state: others may read 1 of what is in STATE", func(w *ward) { w.link(); _ = os.Chmod(w.path("state/link.json"), 0o644) }},
		{"state removed under the agent", "fault state: STATE was removed while the agent runs", func(w *ward) { w.start(); w.offered(); w.remove("state") }},
		{"state in memory", "warning state: SHM is in memory, so a link does not survive a reboot", (*ward).inMemory},
		{"port of the redirect taken", "fault ports: port REDIRECT of the redirect is taken by doctor.test", func(w *ward) { w.configure(); another(w.T, "listen", "127.0.0.1:"+w.ports[0]) }},
		{"port of the link page taken", "fault ports: port PAGE of the link page is taken by doctor.test", func(w *ward) {
			w.more = "[link_page]\nlisten = \":" + w.ports[1] + "\"\n"
			w.configure()
			another(w.T, "listen", ":"+w.ports[1])
		}},
		{"port taken while a link is offered anew", "fault ports: port REDIRECT of the redirect is taken by doctor.test", func(w *ward) {
			w.linkedAndTaken()
			if _, err := socket.New(w.path("run/agent.sock")).Ask(w.Context(), http.MethodPost, "/relink", ""); err != nil {
				w.Fatal(err)
			}
			w.offered()
		}},
		{"bus absent", "fault displays: ssd1306 /dev/i2c-77: there is no /dev/i2c-77", func(w *ward) { w.display("ssd1306", "/dev/i2c-77"); w.configure() }},
		{"bus of e-paper absent", "fault displays: waveshare2in13v4 /dev/spidev7.7: there is no /dev/spidev7.7", func(w *ward) { w.display("waveshare2in13v4", "/dev/spidev7.7"); w.configure() }},
		{"nobody draws", "fault displays: no process draws on the configured displays", func(w *ward) { w.display("png", w.path("x.png")); w.start() }},
		{"panel of another program", "warning panels: doctor.test has PTY open too", (*ward).sharedTerminal},
		{"agent of another version", "warning versions: the agent that runs is (devel), this program is v9", func(w *ward) { w.patient.Version = "v9"; w.start() }},
	}
}

type ill struct {
	name, line string
	make       func(*ward)
}

// TestPortTakenOfALinkedDeviceIsNoFault: a script that asks the doctor whether a
// device works must not hear no for what only a new link would want.
func TestPortTakenOfALinkedDeviceIsNoFault(t *testing.T) {
	if os.Geteuid() != 0 {
		missing(t, "whose a port is only root may see")
	}
	t.Parallel()
	w := newWard(t, lwatest.Options{})
	w.linkedAndTaken()
	r := w.ask()
	for i, port := range []string{"redirect", "link page"} {
		want(t, r, "warning ports: port "+w.ports[i]+" of the "+port+" is taken by doctor.test; it is wanted when the device is to be linked again")
	}
	if r.Level == doctor.Fault {
		t.Errorf("the whole is a fault, although programs get their tokens and nothing is in the way: %+v", r.Findings)
	}
}

// linkedAndTaken is a device that was linked by a dropped file, while another
// program had both of its ports.
func (w *ward) linkedAndTaken() {
	w.Helper()
	w.more = "[link_page]\nlisten = \":" + w.ports[1] + "\"\n"
	for _, port := range w.ports {
		another(w.T, "listen", ":"+port)
	}
	w.link()
}

func TestEachFaultThatIsMadeIsNamed(t *testing.T) {
	if os.Geteuid() != 0 {
		missing(t, "whose a port is only root may see")
	}
	t.Parallel()
	for _, i := range ills() {
		t.Run(i.name, func(t *testing.T) {
			t.Parallel()
			w := newWard(t, lwatest.Options{})
			i.make(w)
			r := w.ask()
			line := strings.NewReplacer("CONFIG", w.path("config.toml"), "INBOX", w.path("inbox"), "STATE", w.path("state"),
				"SHM", w.device.StateDir, "PTY", w.pty, "PORT", port(w.server.URL), "REDIRECT", w.ports[0], "PAGE", w.ports[1]).Replace(i.line)
			want(t, r, line)
			if level, _, _ := strings.Cut(i.line, " "); level == string(doctor.Fault) && r.Level != doctor.Fault {
				t.Errorf("the whole is %s, so a script would go on", r.Level)
			}
		})
	}
}

func port(address string) string {
	u, _ := url.Parse(address)
	return u.Port()
}

// remove goes on until nobody puts something there any more.
func (w *ward) remove(name string) {
	for range 1000 {
		if os.RemoveAll(w.path(name)) == nil {
			return
		}
	}
	w.Fatalf("%s cannot be removed", name)
}

func (w *ward) impostor() {
	l, err := net.Listen("unix", w.path("run/agent.sock"))
	if err != nil {
		w.Fatal(err)
	}
	server := &http.Server{Handler: http.NotFoundHandler()}
	go server.Serve(l)
	w.Cleanup(func() { server.Close() })
}

func (w *ward) removed() {
	w.sim.Change(func(o *lwatest.Options) { o.TokenLife = 2 * time.Second }) // so that it is refreshed soon
	w.link()
	w.sim.RemoveApp()
	w.await("removed in the Amazon account")
}

// drop is a person who signs in.
func (w *ward) drop() {
	address, err := w.sim.Allow(w.offered())
	if err != nil {
		w.Fatal(err)
	}
	w.write("inbox/code", address+"\n")
	w.await(`"last_error"`)
}

func (w *ward) immutableInbox() {
	w.configure()
	if out, err := exec.CommandContext(w.Context(), "chattr", "+i", w.path("inbox")).CombinedOutput(); err != nil {
		missing(w.T, fmt.Sprintf("chattr (package e2fsprogs) does not work here: %v %s", err, out))
	}
	w.Cleanup(func() {
		if err := exec.CommandContext(context.Background(), "chattr", "-i", w.path("inbox")).Run(); err != nil {
			w.Error(err)
		}
	})
}

func (w *ward) credential(mode os.FileMode) {
	w.write("credential", lwatest.WebClientSecret)
	_ = os.Chmod(w.path("credential"), mode)
	w.patient.Secrets = []string{w.path("credential")}
}

func (w *ward) overTLS() {
	w.server.Close()
	w.server = httptest.NewTLSServer(w.sim)
	w.device.Amazon = w.server.URL
	w.configure()
}

// proxied puts a proxy before Amazon that answers with status, or is not there.
func (w *ward) proxied(status int) {
	w.overTLS()
	proxy := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(status) }))
	if status == 0 {
		proxy.Close()
	}
	w.Cleanup(proxy.Close)
	address, _ := url.Parse(proxy.URL)
	w.patient.Proxy = func([]string) doctor.Proxy { return http.ProxyURL(address) }
}

func (w *ward) inMemory() {
	dir, err := os.MkdirTemp("/dev/shm", "ward")
	if err != nil {
		missing(w.T, "no /dev/shm here: mount -t tmpfs tmpfs /dev/shm")
	}
	w.Cleanup(func() { os.RemoveAll(dir) })
	w.device.StateDir = dir
	w.configure()
}

func (w *ward) display(driver, device string) {
	w.more += "[[display]]\ndriver = " + strconv.Quote(driver) + "\ndevice = " + strconv.Quote(device) + "\n"
}

func (w *ward) sharedTerminal() {
	master, terminal, err := pty.Open()
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { master.Close(); terminal.Close() })
	w.pty = terminal.Name()
	w.display("terminal", w.pty)
	w.configure()
	another(w.T, "open", terminal.Name())
}
