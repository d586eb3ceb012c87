package lwatest

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// answer is what goes back, if anything does.
type answer struct {
	status int
	header http.Header
	body   []byte
	pad    int64 // so many letters a after the body
	delay  time.Duration
	broken Break
}

// Refusal is an error body of the token and code pair endpoints.
type Refusal int

// The error answers that Amazon was seen to give or documents, and those of
// RFC 8628 that a client must not trip over.
const (
	NoRefusal       Refusal = iota
	Revoked                 // 400 invalid_grant, refresh_token
	SpentCode               // 400 invalid_grant, code
	MalformedCode           // 400 invalid_request, code
	MissingSecret           // 400 invalid_request, client_secret
	Malformed               // 400 invalid_request
	Unsupported             // 400 unsupported_grant_type
	WrongSecret             // 401 invalid_client
	Unauthorized            // 400 unauthorized_client
	BadClientID             // 400 InvalidValue
	ServerError             // 500 ServerError
	Pending                 // 400 authorization_pending
	SlowDown                // 400 slow_down
	InvalidCodePair         // 400 invalid_code_pair
	AccessDenied            // 400 access_denied, not seen at Amazon
	ExpiredToken            // 400 expired_token, not seen at Amazon
	WrongVerifier           // 400 invalid_grant as RFC 7636 section 4.6 has it
)

// refusal has the members of Amazon's error bodies in Amazon's order.
type refusal struct {
	status      int
	Index       string `json:"error_index,omitempty"`
	Description string `json:"error_description"`
	Error       string `json:"error"`
	RequestID   string `json:"request_id,omitempty"`
}

func (r Refusal) row() refusal {
	switch r {
	case NoRefusal:
	case Revoked:
		return refusal{
			status: 400, Index: opaque(264), Error: "invalid_grant", RequestID: uuid(),
			Description: "The request has an invalid grant parameter : refresh_token. User may have revoked or didn't grant the permission.",
		}
	case SpentCode:
		return refusal{
			status: 400, Index: opaque(264), Error: "invalid_grant", RequestID: uuid(),
			Description: "The request has an invalid grant parameter : code. User may have revoked or didn't grant the permission.",
		}
	case MalformedCode:
		return invalid("code")
	case MissingSecret:
		return missing("client_secret")
	case Malformed:
		return refusal{status: 400, Index: opaque(264), Error: "invalid_request", Description: "Malformed request"}
	case Unsupported:
		return refusal{status: 400, Error: "unsupported_grant_type", Description: "The authorization grant type is not supported by the authorization server"}
	case WrongSecret:
		return refusal{status: 401, Error: "invalid_client", Description: "Client authentication failed"}
	case Unauthorized:
		return refusal{status: 400, Error: "unauthorized_client", Description: "Not authorized for requested operation"}
	case BadClientID:
		return refusal{status: 400, Error: "InvalidValue", Description: "The request has an invalid parameter : client_id"}
	case ServerError:
		return refusal{status: 500, Error: "ServerError", Description: "The server encountered an internal error"}
	case Pending:
		return refusal{status: 400, Error: "authorization_pending", Description: "The authorization request is still pending as the end user hasn't yet completed the user interaction steps"}
	case SlowDown:
		return refusal{status: 400, Error: "slow_down", Description: "The client is polling too quickly"}
	case InvalidCodePair:
		return refusal{status: 400, Error: "invalid_code_pair", Description: "The code pair is invalid or has expired"}
	case AccessDenied:
		return refusal{status: 400, Error: "access_denied", Description: "Access not permitted."}
	case ExpiredToken:
		return refusal{status: 400, Error: "expired_token", Description: "The device code has expired"}
	case WrongVerifier:
		return refusal{status: 400, Error: "invalid_grant", Description: "The code verifier does not fit the code challenge"}
	}
	return refusal{status: 500}
}

func missing(parameter string) refusal {
	return refusal{status: 400, Error: "invalid_request", Description: "The request is missing a required parameter : " + parameter}
}

func invalid(parameter string) refusal {
	return refusal{status: 400, Error: "invalid_request", Description: "The request has an invalid parameter : " + parameter}
}

// refuse makes an answer of a Refusal or of a row made for one parameter.
func refuse[R Refusal | refusal](r R) *answer {
	var body refusal
	switch r := any(r).(type) {
	case Refusal:
		body = r.row()
	case refusal:
		body = r
	}
	a := jsonAnswer(body.status, body)
	return &a
}

func jsonAnswer(status int, body any) answer {
	text, err := json.Marshal(body)
	if err != nil {
		return answer{status: http.StatusInternalServerError}
	}
	return answer{status: status, body: text, header: http.Header{"Content-Type": {"application/json;charset=UTF-8"}}}
}

func redirect(location string) answer {
	return answer{status: http.StatusFound, header: http.Header{"Location": {location}}}
}

// stamp adds the headers that every answer of Amazon's has.
func (s *Sim) stamp(a *answer) {
	if a.header == nil {
		a.header = http.Header{}
	}
	for name, value := range map[string]string{
		"Date":             s.date(0),
		"X-Amzn-Requestid": uuid(),
		"Cache-Control":    "no-cache, no-store, must-revalidate",
		"Pragma":           "no-cache",
	} {
		if a.header.Get(name) == "" {
			a.header.Set(name, value)
		}
	}
}

// date is a time by the clock that the server tells, as HTTP writes it.
func (s *Sim) date(later time.Duration) string {
	return s.opts.Now().Add(s.opts.Skew + later).UTC().Format(http.TimeFormat)
}

// opaque returns n random letters and digits. crypto/rand.Read cannot fail.
func opaque(n int) string {
	return randomOf("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", n)
}

func randomOf(alphabet string, n int) string {
	raw := make([]byte, n)
	_, _ = rand.Read(raw)
	var text strings.Builder
	for _, b := range raw {
		text.WriteByte(alphabet[int(b)%len(alphabet)])
	}
	return text.String()
}

func uuid() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b)
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
