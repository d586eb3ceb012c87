package agent

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestClientThatSendsTooMuchReadsWhy: one that is given a whole file, and writes all
// of it before it reads, must not see a broken connection in place of the answer.
func TestClientThatSendsTooMuchReadsWhy(t *testing.T) {
	t.Parallel() // it waits
	s := serveAgent(t, nil)
	text := strings.Repeat("x", 64<<10)
	chunks := strings.Repeat(fmt.Sprintf("%x\r\n%s\r\n", len(text), text), 13)
	const length, chunked, waits = "Content-Length: %d\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n", "Expect: 100-continue\r\n"
	for name, body := range map[string]string{
		"64 KiB":                fmt.Sprintf(length, len(text)) + text,
		"832 KiB":               fmt.Sprintf(length, 13*len(text)) + strings.Repeat(text, 13),
		"832 KiB in chunks":     chunked + chunks + "0\r\n\r\n",
		"what ends early":       fmt.Sprintf(length, 4*len(text)) + text,
		"nothing before it may": waits + fmt.Sprintf(length, 1<<30),
		"too much all the same": waits + fmt.Sprintf(length, len(text)) + text,
		"a stream that may":     waits + chunked + chunks + "0\r\n\r\n",
	} {
		for _, to := range []struct{ socket, target string }{{agentSockName, "/code"}, {agentSockName, "/import"}, {agentSockName, "/relink"}, {eventsSockName, "/display"}} {
			what := name + " to " + to.target
			begin := time.Now()
			c, err := net.Dial("unix", s.path(to.socket))
			must(t, err)
			must(t, c.SetDeadline(begin.Add(patience)))
			if _, err := io.WriteString(c, "POST "+to.target+" HTTP/1.1\r\nHost: a\r\n"+body); err != nil {
				t.Errorf("%s: a client that writes first gets %v", what, err)
			}
			must(t, c.(*net.UnixConn).CloseWrite())
			all, err := io.ReadAll(c)
			must(t, c.Close())
			if err != nil {
				t.Errorf("%s: the connection ends with %v, which some clients tell in place of the answer %.20q", what, err, all)
			}
			answer := bytes.TrimPrefix(all, []byte("HTTP/1.1 100 Continue\r\n\r\n"))
			r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), nil)
			if err != nil {
				t.Errorf("%s: %v", what, err)
				continue
			}
			said, err := io.ReadAll(r.Body)
			must(t, r.Body.Close())
			if r.StatusCode != 413 || err != nil || !strings.Contains(string(said), `"error":"too_long"`) || !strings.Contains(string(said), `"hint":`) {
				t.Errorf("%s: %s %s (%v); want 413 with the reason and what to do", what, r.Status, said, err)
			}
		}
	}
}
