package agent

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestStatusSaysWhoTookTheToken(t *testing.T) {
	s := serveAgent(t, nil)
	var before Status
	must(t, json.Unmarshal([]byte(s.do("GET", "/status", "").text), &before))
	if before.Handouts != nil {
		t.Errorf("%+v: nobody took anything yet", before.Handouts)
	}
	s.do("GET", "/token", "") // not linked: not handed out
	s.link()
	for range 3 {
		s.want(s.do("GET", "/token", ""), 200, "linked")
	}
	s.want(s.do("GET", "/token?min_valid=soon", ""), 400, "a mistake")
	_, err := s.readCredential()
	must(t, err)
	if os.Geteuid() == 0 {
		c, err := rootUser.dial(s.path(tokenSockName), "deadbeef/unit/radio.service/lwa_token")
		must(t, err)
		_, _ = c.Read(make([]byte, 4096))
		c.Close()
	}
	var st Status
	text := s.do("GET", "/status", "").text
	must(t, json.Unmarshal([]byte(text), &st))
	got := map[string]uint64{}
	for _, h := range st.Handouts {
		got[h.Unit] = h.Count
		if h.UID != int64(os.Geteuid()) || h.User == "" || time.Since(h.At) > time.Minute || time.Since(h.At) < -time.Second {
			t.Errorf("%+v; want us, by number and name, and when", h)
		}
	}
	if got[""] != 4 || os.Geteuid() == 0 && got["radio.service"] != 1 {
		t.Errorf("%s; want 4 tokens for us, and one for the unit", text)
	}
	if n := strings.Count(s.log.String(), "the access token goes out"); n != len(st.Handouts) {
		t.Errorf("the log tells %d times that a token goes out, want once for each of %d", n, len(st.Handouts))
	}
}

// TestHandoutIsNoNews: who watches would be woken by each request of others.
func TestHandoutIsNoNews(t *testing.T) {
	s := serveAgent(t, nil)
	s.link()
	view := s.agent.view.Load()
	s.want(s.do("GET", "/token", ""), 200, "linked")
	s.settled()
	if s.agent.view.Load() != view {
		t.Error("a hand-out was published")
	}
}

func TestTakersAreBounded(t *testing.T) {
	var all takings
	var wait sync.WaitGroup
	for n := range maxTakers + 44 {
		wait.Go(func() {
			k, _ := all.of(peer{reader: reader{unit: fmt.Sprintf("%d.service", n)}})
			k.count.Add(1)
		})
	}
	wait.Wait()
	list := all.list(0)
	var sum uint64
	for _, h := range list {
		sum += h.Count
	}
	if last := list[len(list)-1]; len(list) > maxTakers+1 || last.UID != -1 || sum != maxTakers+44 {
		t.Errorf("%d takers, %d tokens, the last is %+v; want about %d, all tokens, and the rest under -1", len(list), sum, last, maxTakers)
	}
}

// TestUnitIsCountedOnce: its credentials may have any number of names.
func TestUnitIsCountedOnce(t *testing.T) {
	var all takings
	first, _ := all.of(peer{reader: reader{unit: "a.service", credential: "x"}})
	second, isNew := all.of(peer{reader: reader{unit: "a.service", credential: "y"}})
	if first != second || isNew {
		t.Error("the names of credentials fill the list")
	}
}

func TestStatusOfTheDisplaysSocketHasTheCountsToo(t *testing.T) {
	s := serveAgent(t, nil)
	s.link()
	s.want(s.do("GET", "/token", ""), 200, "linked")
	if a := s.request(s.client(eventsSockName), http.MethodGet, "/status", ""); !strings.Contains(a.text, `"handouts"`) {
		t.Errorf("%s; want the same members on both sockets", a.text)
	}
}
