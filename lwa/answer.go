package lwa

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// judge returns an answer that may hold what was asked for.
func judge(resp *http.Response, text []byte, what request) (object, *Error) {
	notOAuth := func(why string) (object, *Error) {
		return nil, &Error{
			Kind: Passing, Code: "not_oauth",
			Message: fmt.Sprintf("%s gave an answer that is not Amazon's (%d, %s)", resp.Request.URL.Host, resp.StatusCode, why),
			Hint:    "if this network has a sign-in page, sign in there; " + byItself,
		}
	}
	switch {
	case len(text) > maxAnswer:
		return notOAuth("longer than 64 KiB")
	case resp.StatusCode == http.StatusNetworkAuthenticationRequired: // RFC 6585 section 6
		return notOAuth("this network wants somebody to sign in")
	case resp.StatusCode >= 500, resp.StatusCode == http.StatusTooManyRequests:
		return nil, &Error{Kind: Passing, Code: "server", Message: fmt.Sprintf("%s answered %d", resp.Request.URL.Host, resp.StatusCode), Hint: byItself}
	case !isJSON(resp.Header.Get("Content-Type")):
		return notOAuth("no JSON")
	}
	answer, err := parseAnswer(text)
	if err != nil {
		return notOAuth(err.Error())
	}
	if word := errorWord(answer); word != "" {
		e := refused(resp.StatusCode, word, answer.text("error_description"), what)
		if resp.StatusCode < http.StatusBadRequest {
			e.Kind, e.Hint = Passing, byItself // an error in a success is no proof of anything
			e.Message = fmt.Sprintf("%s answered %d with the error %s", resp.Request.URL.Host, resp.StatusCode, word)
		}
		return nil, e
	}
	if resp.StatusCode != http.StatusOK {
		return notOAuth("no error word")
	}
	return answer, nil
}

// errorWord returns the error word of an answer where it is one of the
// protocol's form, so that no other text of a server's reaches a message.
func errorWord(answer object) string {
	word := answer.text("error")
	if !isErrorWord(word) {
		return "unknown_error"
	}
	return word
}

func isErrorWord(text string) bool {
	return len(text) <= 40 && !strings.ContainsFunc(text, func(r rune) bool {
		return r != '_' && r != '-' && r != '.' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}

func isJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == "application/json" || media == "text/json" || strings.HasSuffix(media, "+json"))
}

// retryAfter reads seconds or a date, which is compared with the server's own
// clock because ours may be wrong.
func retryAfter(value string, date time.Time) time.Duration {
	var wait time.Duration
	if seconds, err := strconv.ParseUint(value, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		wait = time.Duration(min(seconds, 1<<20)) * time.Second
	} else if at, err := http.ParseTime(value); err == nil && !date.IsZero() {
		wait = at.Sub(date)
	} else {
		return 0
	}
	return min(max(wait, time.Second), time.Hour)
}

// object is a JSON object by its exact keys. Decoding into a struct would take
// "ACCESS_TOKEN" for "access_token", and of two keys the last.
type object map[string]json.RawMessage

func parseAnswer(text []byte) (object, error) {
	fields := object{}
	err := eachMember(text, func(key string, value json.RawMessage) error {
		if _, twice := fields[key]; twice {
			return errors.New("a key twice in the JSON")
		}
		fields[key] = value
		return nil
	})
	return fields, err
}

var (
	errNoObject = errors.New("no JSON object")
	errDamaged  = errors.New("damaged JSON")
	errMore     = errors.New("something behind the JSON")
)

// eachMember calls yield with the members of a JSON object, as they are written
// and in their order, until it returns an error. Errors are that and the three
// above.
func eachMember(text []byte, yield func(key string, value json.RawMessage) error) error {
	d := json.NewDecoder(bytes.NewReader(text))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return errNoObject
	}
	for d.More() {
		key, err := d.Token()
		name, isText := key.(string)
		if err != nil || !isText {
			return errDamaged
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return errDamaged
		}
		if err := yield(name, value); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return errDamaged
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errMore
	}
	return nil
}

// text returns a string, and nothing for any other type.
func (o object) text(key string) string {
	var s string
	if json.Unmarshal(o[key], &s) != nil {
		return ""
	}
	return s
}

// seconds returns a duration given as a number, a fraction or either in a
// string (Amazon's documents show all of them); 0 for anything else.
func (o object) seconds(key string) time.Duration {
	var f float64
	if json.Unmarshal(o[key], &f) != nil {
		var err error
		if f, err = strconv.ParseFloat(strings.TrimSpace(o.text(key)), 64); err != nil {
			return 0
		}
	}
	if math.IsNaN(f) || f <= 0 {
		return 0
	}
	return time.Duration(min(f, MaxLife.Seconds()) * float64(time.Second))
}

// life returns how long a token is good for.
func (o object) life(key string) time.Duration {
	if d := o.seconds(key); d > 0 {
		return d
	}
	return defaultLife
}

// IsRefreshToken reports whether s is what a refresh token may be: 1 to maxToken
// characters of ASCII, blanks among them (RFC 6749 appendix A.17).
func IsRefreshToken(s string) bool {
	return visible(strings.ReplaceAll(s, " ", "_"), maxToken)
}

// visible reports whether s is 1 to limit visible ASCII characters.
func visible(s string, limit int) bool {
	return s != "" && len(s) <= limit && isVisible(s)
}

// displayName cuts text of a server's to what a display can show on a line.
func displayName(s string) string {
	kept := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
	if runes := []rune(kept); len(runes) > 60 {
		kept = string(runes[:60])
	}
	return strings.TrimSpace(kept)
}
