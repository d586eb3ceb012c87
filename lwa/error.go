package lwa

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
)

// Kind is what a failed call means for the caller, and the only thing that
// decides about what happens next.
type Kind uint8

const (
	// Passing failures mend themselves: no network, an outage, a captive
	// portal, an answer that nobody understands. Wait and try again.
	Passing Kind = iota
	// Configuration failures need a person at the configuration or at Amazon's
	// console. Nothing is forgotten because of one.
	Configuration
	// Spent means that what was sent is no good any more: a code that was used
	// or is too old, a code pair that ended, a refresh token that was revoked.
	Spent
	// Pending means that the person has not finished signing in (Poll only).
	Pending
	// SlowDown is Pending, and the interval must be doubled (Poll only).
	SlowDown
)

// Error is a failed call to Amazon, classified once. It never holds any part
// of an answer but the protocol's own error word, so it is safe to show.
type Error struct {
	Kind       Kind
	Code       string        // the server's error word, or ours for failures without one: "network", "timeout", "clock", "not_oauth", "server"
	Message    string        // what happened, for people
	Hint       string        // what to do, where there is something
	RetryAfter time.Duration // the least time to wait (RFC 9110 section 10.2.3), 1 s to 1 h; 0 if not said
	Unsent     bool          // provably no byte of the request's body went out, so a code in it is as good as new
	Date       time.Time     // the server's clock, from the Date header; zero without one
	Parameter  string        // which of the parameters that were sent the server complained of, if it said so
}

func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Message
	}
	return e.Message + "; " + e.Hint
}

const (
	byItself = "it is tried again by itself"

	deviceHint = `code-based linking wants a client id from the tab "Other devices and platforms" of Amazon's console; a client id from "Web settings" needs client_secret_file and method = "code": sudo lwa-agent setup writes them`
	secretHint = `copy the client secret of this client id again from "Web settings" in Amazon's console: sudo lwa-agent setup asks for it`
)

// refused classifies an OAuth error answer (RFC 6749 section 5.2, RFC 8628
// section 3.5, and the words that only Amazon uses).
func refused(status int, word, description string, what request) *Error {
	e := &Error{Code: word, Parameter: parameter(description)}
	switch word {
	case "authorization_pending":
		e.Kind, e.Message = Pending, "nobody has finished signing in yet"
	case "slow_down":
		e.Kind, e.Message = SlowDown, "asked too often"
	case "invalid_grant", "invalid_code_pair", "expired_token", "access_denied":
		e.Kind = Spent
		e.Message, e.Hint = what.spent(word)
		if what == requestRefresh && word != "invalid_grant" { // no proof: gateways have such words of their own
			e.Kind, e.Message, e.Hint = Passing, fmt.Sprintf("the server answered %d %s", status, word), byItself
		}
	case "invalid_client", "unauthorized_client":
		e.Kind, e.Message, e.Hint = Configuration, "Amazon does not know this client id and client secret", secretHint
		if word == "unauthorized_client" || what == requestPair {
			e.Message, e.Hint = "Amazon does not let this client id link in this way", deviceHint
		}
	case "invalid_request", "InvalidValue", "invalid_scope", "unsupported_grant_type":
		e.Kind = Configuration
		e.Message, e.Hint = malformed(word, description, what)
		if what == requestExchange && strings.Contains(description, ": code") {
			e.Kind, e.Message, e.Hint = Spent, "Amazon says that this is not a code", "scan the QR code again and copy the whole address"
		}
		if what == requestPoll && (strings.Contains(description, "device_code") || strings.Contains(description, "user_code")) {
			e.Kind, e.Message, e.Hint = Spent, "the code on the screen is no longer valid", ""
		}
	default:
		e.Kind, e.Message, e.Hint = Passing, fmt.Sprintf("the server answered %d %s", status, word), byItself
	}
	return e
}

// parameter finds which parameter of ours Amazon's description names, as in "The
// request has an invalid parameter : code". Nothing else of it is handed on.
func parameter(description string) string {
	_, named, _ := strings.Cut(description, " : ")
	named, _, _ = strings.Cut(named, ".")
	switch named {
	case "client_id", "client_secret", "redirect_uri", "refresh_token", "code", "code_verifier", "device_code", "user_code":
		return named
	}
	return ""
}

func (r request) spent(word string) (message, hint string) {
	switch {
	case r == requestRefresh:
		return "Amazon no longer accepts this device's link: it was removed in the Amazon account", "link the device again"
	case word == "access_denied":
		return "the person who signed in pressed Cancel", "scan the QR code and allow the device"
	case r == requestExchange:
		return "Amazon did not accept the code: it was used before, is older than 5 minutes, or belongs to another QR code", "scan the QR code that is shown now"
	default:
		return "the code on the screen was not used in time", ""
	}
}

func malformed(word, description string, what request) (message, hint string) {
	switch {
	case strings.Contains(description, "client_secret"):
		return "Amazon wants a client secret for this client id, so it is one from the tab \"Web settings\"", deviceHint
	case strings.Contains(description, "client_id"):
		return "Amazon does not know this client id", "copy client_id again from Amazon's console, without braces or blanks"
	case strings.Contains(description, "redirect_uri"):
		return "Amazon does not accept this redirect_uri", `enter redirect_uri under "Allowed Return URLs" in "Web settings" of Amazon's console, character for character`
	case word == "invalid_scope":
		return "Amazon does not accept these scopes for this client id", "check scopes and product_id"
	default:
		return fmt.Sprintf("the server refused the %s: %s", what, word), "check client_id, scopes and product_id against the server's console"
	}
}

// unreachable classifies a request that got no HTTP answer.
func unreachable(err error, host string, unsent bool) *Error {
	e := &Error{Kind: Passing, Code: "network", Unsent: unsent}
	cert, certErr := errors.AsType[x509.CertificateInvalidError](err)
	verification, tlsErr := errors.AsType[*tls.CertificateVerificationError](err)
	dns, dnsErr := errors.AsType[*net.DNSError](err)
	netErr, isNet := errors.AsType[net.Error](err)
	switch {
	case certErr && cert.Reason == x509.Expired:
		e.Code, e.Message = "clock", fmt.Sprintf("%s has a certificate that is not valid at this device's time", host)
		e.Hint = "the clock is probably not set; " + byItself
	case tlsErr:
		e.Code, e.Message = "tls", fmt.Sprintf("%s did not prove who it is: %s", host, certificateFault(verification))
		e.Hint = "something between the device and Amazon answers in its place"
	case dnsErr:
		e.Message, e.Hint = fmt.Sprintf("cannot find %s: %s", host, cmp.Or(dns.Err, "no answer")), "check the network connection; "+byItself
	case isNet && netErr.Timeout():
		e.Code, e.Message, e.Hint = "timeout", host+" did not answer in time", byItself
	default:
		e.Message, e.Hint = fmt.Sprintf("cannot reach %s: %s", host, reason(err)), "check the network connection; "+byItself
	}
	return e
}

// reason tells the failures of a network in the kernel's words. Other errors of
// net/http are not repeated: they quote what the server sent, and one that
// sends back what it got would put the code and the secret into the status.
func reason(err error) string {
	if errno, is := errors.AsType[syscall.Errno](err); is {
		return errno.Error()
	}
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection ended early"
	case errors.Is(err, http.ErrSchemeMismatch):
		return "what answers there does not speak https"
	default:
		return "the connection failed or what answers there does not speak http"
	}
}

// certificateFault names what is wrong with a certificate, and nothing that
// stands in it.
func certificateFault(err error) string {
	if _, is := errors.AsType[x509.HostnameError](err); is {
		return "its certificate is for another name"
	}
	if _, is := errors.AsType[x509.UnknownAuthorityError](err); is {
		return "its certificate comes from nobody whom this device trusts"
	}
	return "its certificate is not valid"
}
