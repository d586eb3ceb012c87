package agent

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// getStatus answers with the status, and with who took tokens. That is no part of
// the published one, or each hand-out would be news to everybody who watches.
func (a *Agent) getStatus(w http.ResponseWriter, _ *http.Request) {
	s := a.view.Load().status
	s.Handouts = a.takings.list(a.cfg.Uptime())
	answer(w, http.StatusOK, s)
}

// getEvents writes the status and then a line for each change. A reader that
// is too slow for every change misses some and gets the newest.
func (a *Agent) getEvents(w http.ResponseWriter, r *http.Request) {
	out := http.NewResponseController(w)
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Cache-Control", "no-store")
	var last []byte
	a.views(r.Context(), func(v *view) bool {
		if bytes.Equal(v.json, last) {
			return true // only the token is another
		}
		if ok, _ := connOf(r).may(rightStatus); !ok {
			return false // the rules have changed
		}
		last = v.json
		_ = out.SetWriteDeadline(time.Now().Add(writeTimeout))
		_, err := w.Write(v.json)
		return err == nil && out.Flush() == nil
	})
}

func (a *Agent) connChanged(c net.Conn, state http.ConnState) {
	if conn, is := c.(*unixConn); is && state == http.StateClosed {
		a.setDisplays(conn.id, nil)
	}
}

// postDisplay takes a report of the display process: an array of displays, or
// one. It holds until the connection that brought it ends.
func (a *Agent) postDisplay(w http.ResponseWriter, r *http.Request) {
	body, ok := readBody(w, r)
	if !ok {
		return
	}
	var displays []Display
	if strings.HasPrefix(strings.TrimSpace(string(body)), "{") {
		body = slices.Concat([]byte("["), body, []byte("]"))
	}
	if err := json.Unmarshal(body, &displays); err != nil || len(displays) > 16 {
		fail(w, http.StatusBadRequest, Problem{Code: "display", Message: "not a list of at most 16 displays", Hint: `send [{"driver":"…","device":"…","shows":"…","error":"…"}]`})
		return
	}
	a.setDisplays(connOf(r).id, displays)
	w.WriteHeader(http.StatusNoContent)
}

// ShowDisplays takes the report of displays that are drawn on in this process.
func (a *Agent) ShowDisplays(displays []Display) { a.setDisplays(0, displays) }

func (a *Agent) setDisplays(conn uint64, displays []Display) {
	job := func() {
		if len(displays) == 0 {
			delete(a.displays, conn)
		} else {
			a.displays[conn] = displays
		}
	}
	select {
	case a.jobs <- job:
	case <-a.ended:
	}
}
