package agent

import (
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"
	"time"

	"lwa-agent/lwa"
)

const (
	// A client that does not read is given up after this; the kernel's buffer
	// takes any answer of ours whole.
	writeTimeout = 2 * time.Second
	readTimeout  = 10 * time.Second // for a body, which a person may type
	maxBody      = 8 << 10          // bytes; a code or an address has at most 4,096

	// So many bytes of a body that is not wanted are let pass, where net/http would
	// of one that is longer than 256 KiB read none.
	maxUnwanted = 1 << 20
)

func failReply(w http.ResponseWriter, r replied) {
	if r.outcome == noToken {
		w.Header().Set("Retry-After", strconv.FormatInt(int64(math.Ceil(r.wait.Seconds())), 10))
	}
	fail(w, statusOf(r.outcome), r.problem)
}

func statusOf(o outcome) int {
	switch o {
	case done:
		return http.StatusOK
	case notLinked, conflict:
		return http.StatusConflict
	case noToken:
		return http.StatusServiceUnavailable
	case bad:
		return http.StatusBadRequest
	case tooMany:
		return http.StatusTooManyRequests
	case notSaved:
		return http.StatusInsufficientStorage
	}
	return http.StatusInternalServerError
}

func failStopping(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "5")
	fail(w, http.StatusServiceUnavailable, stoppingProblem())
}

func stoppingProblem() Problem {
	return Problem{Code: "stopping", Message: "the agent is stopping", Hint: "ask again in a moment"}
}

func notACode(err error) Problem {
	if e, is := errors.AsType[*lwa.DropError](err); is {
		return Problem{Code: "not_a_code", Message: e.Message, Hint: e.Hint}
	}
	return Problem{Code: "not_a_code", Message: err.Error()}
}

// readBody returns a small body, or answers why not.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(readTimeout))
	var body []byte
	var err error
	if r.ContentLength <= maxBody { // else nothing is read: a client that asks first (Expect) need not send it
		r.Header.Del("Expect") // it is told to send
		body, err = io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	}
	if err != nil || max(r.ContentLength, int64(len(body))) > maxBody {
		turnAway(w, r, http.StatusRequestEntityTooLarge, Problem{Code: "too_long", Message: "the text is longer than 8 KiB or ended early", Hint: "send the code or the address alone"})
		return nil, false
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	return body, true
}

type problemAnswer struct {
	Error   string `json:"error"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

func fail(w http.ResponseWriter, status int, p Problem) {
	answer(w, status, problemAnswer{p.Code, p.Message, p.Hint})
}

// answer writes JSON within a bounded time: a client that does not read must
// not keep a goroutine.
func answer(w http.ResponseWriter, status int, body any) {
	answerJSON(w, status, line(body))
}

func answerJSON(w http.ResponseWriter, status int, text []byte) {
	answerText(w, status, "application/json", text)
}

func answerText(w http.ResponseWriter, status int, kind string, text []byte) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout))
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(text) // the client may have gone
}
