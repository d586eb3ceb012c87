//go:build deep

package agent

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"lwa-agent/lwa/lwatest"
	"lwa-agent/lwa/lwatest/harness"
)

var soak = flag.Duration("soak", time.Minute, "how long TestNothingGrowsWithTime has an agent work")

const (
	soakClients = 16
	soakLife    = 2 * time.Second // of an access token
	soakPause   = 50 * time.Millisecond

	// A call to Amazon may be under way, with its connection.
	soakSpare = 4
)

// TestNothingGrowsWithTime has the built binary do for minutes what it does in
// months: tokens of 2 s, sixteen programs that ask and hang up, drops, relinks.
// What it holds in the end is compared with a process that has done the same
// for ten seconds. Call it with -soak=10m for more of it.
func TestNothingGrowsWithTime(t *testing.T) {
	young := soaked(t, 10*time.Second)
	old := soaked(t, *soak)
	t.Logf("soak: %v of %v tokens, %d clients: %d refreshes, %d relinks, %d requests of which %d got no token in time", *soak, soakLife, soakClients, old.refreshes, old.relinks, old.requests, old.without)
	t.Logf("soak: %d goroutines and %d descriptors after it, %d and %d in a process of 10 s", old.goroutines, old.files, young.goroutines, young.files)
	t.Logf("soak: memory %d KiB in its second quarter, %d KiB in its last one; %d threads, then %d", old.memory[1], old.memory[3], old.threads[1], old.threads[3])
	if old.goroutines > young.goroutines+soakSpare || old.files > young.files+soakSpare {
		t.Error("goroutines or descriptors are left behind: it grows until nothing can be opened any more")
	}
	if grown := old.memory[3] - old.memory[1]; grown > 2048 {
		t.Errorf("its memory grows by %d KiB in half of the time", grown)
	}
	if old.threads[3] > old.threads[1]+soakSpare || old.threads[3] > 32 { // a busy machine wants a few more
		t.Errorf("it has %d threads, and had %d; the unit allows 64 (TasksMax=)", old.threads[3], old.threads[1])
	}
	if old.without*100 > old.requests {
		t.Errorf("%d of %d requests got no token in time", old.without, old.requests)
	}
}

// soakResult is what a process did, and what it held: at the end, and as the
// medians of the quarters of its life.
type soakResult struct {
	refreshes, relinks, requests, without int
	goroutines, files                     int
	memory, threads                       [4]int
}

func soaked(t *testing.T, length time.Duration) (r soakResult) {
	t.Helper()
	if os.Geteuid() != 0 {
		harness.Missing(t, "only root sees what a process has open that gives no core dump")
	}
	p := newProcess(t, MethodCode, 1, lwatest.Options{TokenLife: soakLife, Rotate: true})
	p.begin()
	p.linkByDrop()
	before := p.filesOpen()

	stop, failed := make(chan struct{}), make(chan error, soakClients)
	var requests, without atomic.Int64
	var clients sync.WaitGroup
	for i := range soakClients {
		clients.Go(func() {
			c := newSoakClient(p, i)
			defer c.http.CloseIdleConnections()
			for range ticks(stop, soakPause) {
				served, err := c.ask()
				requests.Add(1)
				if err != nil {
					failed <- fmt.Errorf("client %d: %w", i, err)
					return
				}
				if !served {
					without.Add(1)
				}
			}
		})
	}
	samples := make(chan [2][]int)
	go func() { samples <- p.sampled(stop) }()

	// Ten codes are let through in ten minutes.
	every := max(length/8, 6*time.Second)
	end, relink := time.Now().Add(length), time.Now().Add(every)
	for range ticks(stop, time.Second) {
		switch now := time.Now(); {
		case now.After(end):
			close(stop)
		case now.After(relink) && r.relinks < 8:
			p.ask(http.MethodPost, "/relink")
			p.linkByDrop()
			r.relinks++
			relink = relink.Add(every)
		default:
			p.relinkAndThinkBetter()
		}
	}
	taken := <-samples
	clients.Wait()
	select {
	case err := <-failed:
		t.Fatal(err)
	default:
	}
	// The fewest of some seconds: connections that were hung up go, and calls to
	// Amazon come and go.
	r.files = p.filesOpen()
	for begin := time.Now(); time.Since(begin) < 5*time.Second; {
		<-time.After(10 * time.Millisecond)
		r.files = min(r.files, p.filesOpen())
	}
	if r.files > before+soakSpare {
		t.Errorf("%d descriptors when all is quiet again, %d before", r.files, before)
	}
	for begin := time.Now(); p.filesOpen() > r.files && time.Since(begin) < patience; {
		<-time.After(10 * time.Millisecond) // so quiet that goroutines can be counted
	}
	r.requests, r.without, r.refreshes = int(requests.Load()), int(without.Load()), p.sim.Count(lwatest.Refresh)
	r.memory, r.threads = quarters(taken[0]), quarters(taken[1])
	r.goroutines = p.lastWords()
	return r
}

// ticks yields at a pace, until stop is closed.
func ticks(stop <-chan struct{}, pause time.Duration) func(yield func() bool) {
	return func(yield func() bool) {
		tick := time.NewTicker(pause)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				if !yield() {
					return
				}
			}
		}
	}
}

// ask asks by a connection of its own, which is gone after it.
func (p *process) ask(method, target string) {
	p.t.Helper()
	client := p.client(agentSockName)
	defer client.CloseIdleConnections()
	p.request(client, method, target, "")
}

// linkByDrop has a person link the device by a file.
func (p *process) linkByDrop() {
	p.t.Helper()
	st := p.follow("a QR code", func(st Status) bool { return st.AuthorizeURL != "" })
	back, err := p.sim.Allow(st.AuthorizeURL)
	must(p.t, err)
	p.drop(back)
	p.follow("linked by a drop", func(st Status) bool { return st.State == Linked && st.AuthorizeURL == "" })
}

// relinkAndThinkBetter offers a new link, drops what is none, and takes all of it back.
func (p *process) relinkAndThinkBetter() {
	p.t.Helper()
	p.ask(http.MethodPost, "/relink")
	p.follow("a QR code", func(st Status) bool { return st.AuthorizeURL != "" })
	p.drop("this is no code")
	must(p.t, os.Remove(filepath.Join(p.Spool, "code.txt")))
	p.ask(http.MethodDelete, "/relink")
	p.follow("no QR code any more", func(st Status) bool { return st.State == Linked && st.AuthorizeURL == "" })
}

func (p *process) filesOpen() int {
	p.t.Helper()
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	must(p.t, err)
	return len(files)
}

// sampled is its memory in KiB and its threads, each second until stop.
func (p *process) sampled(stop <-chan struct{}) (samples [2][]int) {
	for range ticks(stop, time.Second) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
		if err != nil {
			p.t.Errorf("the agent ended: %v", err)
			return samples
		}
		for line := range strings.Lines(string(text)) {
			var n int
			if _, err := fmt.Sscanf(line, "VmRSS: %d", &n); err == nil {
				samples[0] = append(samples[0], n)
			} else if _, err := fmt.Sscanf(line, "Threads: %d", &n); err == nil {
				samples[1] = append(samples[1], n)
			}
		}
	}
	return samples
}

// quarters are the medians of the quarters of samples.
func quarters(samples []int) (medians [4]int) {
	for i := range medians {
		if part := slices.Clone(samples[i*len(samples)/4 : (i+1)*len(samples)/4]); len(part) > 0 {
			slices.Sort(part)
			medians[i] = part[len(part)/2]
		}
	}
	return medians
}

// lastWords has the runtime tell of all goroutines, which ends the process
// (package runtime, SIGQUIT), and counts them.
func (p *process) lastWords() (goroutines int) {
	p.t.Helper()
	said := len(p.stderr.String())
	must(p.t, p.cmd.Process.Signal(syscall.SIGQUIT))
	_ = p.cmd.Wait() // says that it was a signal
	p.cmd = nil
	dump := p.stderr.String()[said:]
	goroutines = strings.Count(dump, "\ngoroutine ")
	if goroutines == 0 {
		p.t.Errorf("no goroutine in its last words:\n%s", dump)
	}
	return goroutines
}
