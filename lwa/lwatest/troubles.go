package lwatest

import (
	"bytes"
	"net/http"
	"strconv"
	"time"
)

// Failing answers with an empty body: 500, 503, 504 and the like.
func Failing(status int) Fault {
	return Fault{Name: "status " + strconv.Itoa(status), Status: status}
}

// Busy answers 503 or 429 and says when to come again, in seconds.
func Busy(status int, after time.Duration) Fault {
	f := Failing(status)
	f.RetryAfter = after
	return f
}

// BusyUntil is Busy with a date, which the server's clock decides.
func BusyUntil(status int, after time.Duration) Fault {
	f := Busy(status, after)
	f.RetryAfterDate = true
	return f
}

// Refusing answers with one of Amazon's error bodies.
func Refusing(r Refusal) Fault {
	return Fault{Name: r.row().Error, Refusal: r}
}

func htmlFault(name string, status int, body string) Fault {
	return Fault{
		Name: name, Status: status, Body: "<!DOCTYPE html><html><head><title>" + name + "</title></head><body>" + body + "</body></html>",
		Header: map[string]string{"Content-Type": "text/html; charset=utf-8"},
	}
}

// BadGateway is the page of a proxy whose server is down.
func BadGateway() Fault {
	return htmlFault("bad gateway", http.StatusBadGateway, "<h1>502 Bad Gateway</h1>")
}

// Portal is the sign-in page of a hotel's network, with status 200.
func Portal() Fault {
	return htmlFault("captive portal", http.StatusOK, "<h1>Welcome! Accept the terms to go online.</h1>")
}

// BadRequestPage is a 400 that is not Amazon's.
func BadRequestPage() Fault {
	return htmlFault("bad request page", http.StatusBadRequest, "<h1>400 Bad Request</h1>")
}

// Redirecting sends the request elsewhere, with 302, or with 307, which asks to
// send the secrets there too.
func Redirecting(status int, location string) Fault {
	return Fault{Name: "redirect " + strconv.Itoa(status), Status: status, Header: map[string]string{"Location": location}}
}

// Truncated sends the first half of the true body as if it were all.
func Truncated() Fault {
	return Fault{Name: "truncated", Alter: func(body []byte) []byte { return body[:len(body)/2] }}
}

// Interrupted ends the connection within the true body.
func Interrupted() Fault { return Fault{Name: "interrupted", Break: CutOff} }

// Stalled sends the first half of the true body and then nothing.
func Stalled() Fault { return Fault{Name: "stalled", Break: Stall} }

func jsonFault(name, body string) Fault {
	return Fault{
		Name: name, Status: http.StatusOK, Body: body,
		Header: map[string]string{"Content-Type": "application/json;charset=UTF-8"},
	}
}

// Empty is a 200 with no body.
func Empty() Fault { return jsonFault("empty", "") }

// Huge is a 200 with 64 MiB of JSON that does not end.
func Huge() Fault {
	f := jsonFault("huge", `{"access_token":"`)
	f.Pad = 64 << 20
	return f
}

// WrongTypes is a 200 in which no member has the type that it should.
func WrongTypes() Fault {
	return jsonFault("wrong types", `{"access_token":12,"refresh_token":["Atzr|"],"token_type":{},"expires_in":true,"device_code":7,"user_code":null,"verification_uri":[],"interval":"soon","user_id":1,"name":{}}`)
}

// OtherCase adds members to the true answer that differ from the right ones in
// case only. encoding/json lets them win.
func OtherCase() Fault {
	return Fault{Name: "duplicate keys in other case", Alter: func(body []byte) []byte {
		if len(body) < 2 {
			return body
		}
		return append(bytes.TrimSuffix(body, []byte("}")), `,"ACCESS_TOKEN":"not-the-token","Refresh_Token":"not-the-token","EXPIRES_IN":1,"Device_Code":"not-the-code"}`...)
	}}
}

// PlainText sends the true body as text/plain.
func PlainText() Fault {
	return Fault{Name: "text/plain", Header: map[string]string{"Content-Type": "text/plain; charset=utf-8"}}
}

// ConnectionReset ends the connection once the request was read; nothing was
// done.
func ConnectionReset() Fault { return Fault{Name: "connection reset", Break: Reset} }

// AnswerLost does the work, rotates or spends, and then ends the connection.
func AnswerLost() Fault {
	f := ConnectionReset().AfterWork()
	f.Name = "answer lost"
	return f
}

// Late gives the true answer after a while. If the client does not wait, the
// work is done all the same.
func Late(d time.Duration) Fault { return Fault{Name: "late", Delay: d} }

// Silent takes the request and never answers; nothing was done.
func Silent() Fault { return Fault{Name: "silent", Break: Silence} }

// NameLookupFails is a DNS failure.
func NameLookupFails() Fault { return Fault{Name: "no such host", Break: NoSuchHost} }

// DialFails is a connection that nobody takes.
func DialFails() Fault { return Fault{Name: "connection refused", Break: DialRefused} }

// CertificateNotYetValid is what a device sees whose clock is behind.
func CertificateNotYetValid() Fault {
	return Fault{Name: "certificate not yet valid", Break: CertificateTooNew}
}
