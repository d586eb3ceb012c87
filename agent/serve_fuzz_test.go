package agent

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"
)

// FuzzSocket sends whatever it likes to the sockets. The agent must answer the
// next one who asks properly, and events.sock must never tell a token.
func FuzzSocket(f *testing.F) {
	for _, raw := range []string{
		"GET /token HTTP/1.1\r\nHost: a\r\n\r\n", "POST /code HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
		"POST /display HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n[]", "GET /status HTTP/1.0\r\n\r\nGET /events HTTP/1.1\r\n\r\n",
		"POST /relink HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", "\x00\x01\x02", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	} {
		f.Add([]byte(raw), true)
		f.Add([]byte(raw), false)
	}
	s := serveAgent(f, nil)
	s.link()
	f.Fuzz(func(t *testing.T, raw []byte, events bool) {
		s.t = t // what fails, fails here
		socket := agentSockName
		if events {
			socket = eventsSockName
		}
		c, err := net.Dial("unix", s.path(socket))
		must(t, err)
		defer c.Close()
		// The events never end; all else is answered by then.
		must(t, c.SetDeadline(time.Now().Add(50*time.Millisecond)))
		_, _ = c.Write(raw) // it may have been closed
		unix, _ := c.(*net.UnixConn)
		_ = unix.CloseWrite()
		said, _ := io.ReadAll(io.LimitReader(c, 1<<20))
		if events && bytes.Contains(said, []byte("Atza|")) {
			t.Errorf("events.sock tells the token after %q", raw)
		}
		if a := s.request(s.client(agentSockName), "GET", "/status", ""); a.status != 200 {
			t.Errorf("after %q nobody is answered any more: %d", raw, a.status)
		}
	})
}
