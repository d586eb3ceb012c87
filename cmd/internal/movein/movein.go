// Package movein reads what other programs keep of their link to Amazon: a bare
// refresh token, the answer of Amazon's token endpoint as three lines of curl
// save it, AlexaPi's YAML (and the creds.py before it), respeaker's ~/.avs.json,
// the configuration of an AVS Device SDK before 1.7, and the tables of a later
// one as "sqlite3 FILE .dump" prints them.
//
// It takes the few keys that it knows and no notice of the rest. No error of it
// quotes what was read.
package movein

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"lwa-agent/lwa"
)

// MaxSize bounds what Parse is given, in bytes. A dump of the SDK's has a few
// thousand.
const MaxSize = 1 << 20

// Found is what a file says of its link. All but Refresh may be missing: who
// keeps a serial number is the exception.
type Found struct {
	Refresh   lwa.Secret
	ClientID  string
	HasSecret bool // a client secret stands beside it, so the client id is of "Web settings"
	ProductID string
	Serial    string // the serial number that the account knows the device by
}

// Parse finds the refresh token in text. Its errors are for people: what is
// wrong, and after a semicolon what to do.
func Parse(text []byte) (Found, error) {
	text = bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\ufeff")))
	var k keys
	var err error
	switch {
	case len(text) == 0:
		return Found{}, errors.New("nothing was handed in; see: lwa-agent import --help")
	case bytes.HasPrefix(text, []byte("SQLite format 3\x00")):
		return Found{}, errors.New("that is a SQLite database; hand in what this prints: sqlite3 FILE .dump")
	case bytes.IndexByte(text, 0) >= 0:
		return Found{}, errors.New("that is no plain text; save it as UTF-8")
	case text[0] == '{' || text[0] == '[':
		err = k.fromJSON(text)
	case isDump(text):
		err = k.fromDump(string(text))
	case bytes.ContainsAny(text, " \t\r\n") || isAssignment(string(text)):
		k.fromLines(string(text))
	default:
		k.set("refresh_token", strings.Trim(string(text), `"'`))
	}
	if err != nil {
		return Found{}, err
	}
	return k.found()
}

// keys collects values by the names that programs have for them.
type keys struct {
	refresh, clientID, clientSecret, productID, serial string
	access, twice                                      bool
}

func (k *keys) set(name, value string) {
	if value == "" || value == "null" || value == "~" || strings.HasPrefix(value, "${") { // not filled in
		return
	}
	into := map[string]*string{
		"refreshtoken": &k.refresh,
		"clientid":     &k.clientID,
		"clientsecret": &k.clientSecret,
		"productid":    &k.productID,
		"devicetypeid": &k.productID, // AlexaPi's newer name for it
		// respeaker and AlexaPi keep none; the SDK does.
		"deviceserialnumber": &k.serial,
		"serialnumber":       &k.serial,
	}[plainName(name)]
	switch {
	case into == nil:
		k.access = k.access || plainName(name) == "accesstoken"
	case into == &k.refresh && *into != "" && *into != value:
		k.twice = true
	default:
		*into = value
	}
}

// plainName makes refreshToken, Refresh_Token and REFRESH_TOKEN one.
func plainName(name string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(name))
}

func (k *keys) found() (Found, error) {
	switch token := k.refresh; {
	case k.twice:
		return Found{}, errors.New("it holds two refresh tokens; hand in the newer one alone")
	case token == "" && k.access:
		return Found{}, errors.New("it holds an access token alone, which ends within the hour; hand in the refresh token, which begins with Atzr|")
	case token == "":
		return Found{}, errors.New("it holds no refresh token; hand in the file that the program keeps after signing in")
	case strings.HasPrefix(token, "Atza|"):
		return Found{}, errors.New("that is an access token, which ends within the hour; hand in the refresh token, which begins with Atzr|")
	case strings.Contains(token, "://") || strings.HasPrefix(token, "amzn1."):
		return Found{}, errors.New("that is no refresh token; hand in the text that begins with Atzr|")
	case len(token) < 10 || strings.ContainsAny(token, " \t\"'") || !lwa.IsRefreshToken(token):
		return Found{}, errors.New("that is no refresh token: one is a single word of visible characters; copy all of it again")
	}
	for what, text := range map[string]string{"client id": k.clientID, "product id": k.productID, "serial number": k.serial} {
		if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) || len(text) > 128 {
			return Found{}, fmt.Errorf("its %s is damaged; hand in the refresh token alone", what)
		}
	}
	return Found{lwa.NewSecret(k.refresh), k.clientID, k.clientSecret != "", k.productID, k.serial}, nil
}
