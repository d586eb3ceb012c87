package lwa

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// object is a JSON object by its exact keys. Decoding into a struct would take
// "ACCESS_TOKEN" for "access_token", and of two keys the last.
type object map[string]json.RawMessage

func parseAnswer(text []byte) (object, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return nil, errors.New("no JSON object")
	}
	fields := object{}
	for d.More() {
		key, err := d.Token()
		name, isText := key.(string)
		if err != nil || !isText {
			return nil, errors.New("damaged JSON")
		}
		if _, twice := fields[name]; twice {
			return nil, errors.New("a key twice in the JSON")
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, errors.New("damaged JSON")
		}
		fields[name] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, errors.New("damaged JSON")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something behind the JSON")
	}
	return fields, nil
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

// visible reports whether s is 1 to limit visible ASCII characters, as tokens
// and codes are (RFC 6749 appendix A).
func visible(s string, limit int) bool {
	return s != "" && len(s) <= limit && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
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
