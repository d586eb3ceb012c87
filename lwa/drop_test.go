package lwa

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"unicode/utf16"
)

const (
	someCode  = "ANBzsjhYZmNCTeAszagk"
	someState = "0123456789abcdefABCDEF"
	someQuery = "code=" + someCode + "&scope=alexa%3Aall&state=" + someState
	somePlace = "https://localhost:9745/authresponse"
)

func utf16Text(s string, order binary.AppendByteOrder) string {
	var b []byte
	for _, unit := range utf16.Encode([]rune(s)) {
		b = order.AppendUint16(b, unit)
	}
	return string(b)
}

// The catalogue of what people and programs hand in.
func TestEveryFormOfADropGivesItsCode(t *testing.T) {
	bare := Drop{Code: NewSecret(someCode)}
	complete := Drop{Code: NewSecret(someCode), State: someState}
	cuttable := Drop{Code: NewSecret(someCode), State: someState, Address: true}
	noState := Drop{Code: NewSecret(someCode), Address: true}
	for _, c := range []struct {
		name, text string
		want       Drop
	}{
		{"a bare code", someCode, bare},
		{"with a line end", someCode + "\n", bare},
		{"with a line end of Windows", someCode + "\r\n", bare},
		{"with blanks, tabs and empty lines around", "\n\t  " + someCode + " \t\r\n\n", bare},
		{"with no-break spaces from a web page", "\u00a0" + someCode + "\u202f\u2003", bare},
		{"with zero-width spaces from a chat", "\u200b" + someCode[:5] + "\u200b" + someCode[5:] + "\u2060", bare},
		{"with a byte order mark", "\ufeff" + someCode, bare},
		{"in double quotes", `"` + someCode + `"`, bare},
		{"in single quotes", "'" + someCode + "'\n", bare},
		{"in backticks", "`" + someCode + "`", bare},
		{"in English typographic quotes", "“" + someCode + "”", bare},
		{"in German typographic quotes", "„" + someCode + "“", bare},
		{"in French ones with spaces", "«\u00a0" + someCode + "\u00a0»", bare},
		{"in several quotes", `"'` + someCode + `'"`, bare},
		{"as UTF-16 from Notepad", utf16Text("\ufeff"+someCode+"\r\n", binary.LittleEndian), bare},
		{"as big-endian UTF-16", utf16Text("\ufeff"+someCode+"\r\n", binary.BigEndian), bare},
		{"as UTF-16 without a mark", utf16Text(someCode+"\r\n", binary.LittleEndian), bare},
		{"as big-endian UTF-16 without a mark", utf16Text(someCode, binary.BigEndian), bare},
		{"as UTF-16 in typographic quotes", utf16Text("“"+someCode+"”", binary.LittleEndian), bare},
		{"with NUL around", "\x00" + someCode + "\x00\x00\x00", bare},
		{"padded to a block with NUL", someCode + strings.Repeat("\x00", 512-len(someCode)), bare},
		{"a backtick in a code", "ab`cdefghijk", Drop{Code: NewSecret("ab`cdefghijk")}},
		{"a short code in an address", somePlace + "?code=123&state=" + someState, Drop{Code: NewSecret("123"), State: someState, Address: true}},
		{"a short code in JSON", `{"code":"123"}`, Drop{Code: NewSecret("123")}},
		{"a long code in an address", somePlace + "?code=" + strings.Repeat("x", 2049), Drop{Code: NewSecret(strings.Repeat("x", 2049)), Address: true}},
		{"a code of 10 characters", "a.b-c_d~e|", Drop{Code: NewSecret("a.b-c_d~e|")}},
		{"a code of 2,048 characters", strings.Repeat("x", 2048), Drop{Code: NewSecret(strings.Repeat("x", 2048))}},
		{"a code in Base64 with padding", "QUJDREVGR0g/+A==", Drop{Code: NewSecret("QUJDREVGR0g/+A==")}},

		{"the whole address", somePlace + "?" + someQuery, cuttable},
		{"with a line end", somePlace + "?" + someQuery + "\n", cuttable},
		{"with a fragment", somePlace + "?" + someQuery + "#_=_", cuttable},
		{"with unknown parameters", somePlace + "?iss=https://www.amazon.com&session=1&" + someQuery + "&x", cuttable},
		{"without a scheme, as some browsers copy it", "localhost:9745/authresponse?" + someQuery, cuttable},
		{"of an app", "amzn-com.example://callback?" + someQuery, cuttable},
		{"in capitals", "HTTPS://LOCALHOST:9745/?" + someQuery, cuttable},
		{"behind a hash route", "https://localhost/#/callback?" + someQuery, cuttable},
		{"in quotes, so it is complete", `"` + somePlace + "?" + someQuery + `"`, complete},
		{"in the angle brackets of a mail", "<" + somePlace + "?" + someQuery + ">", complete},
		{"without a state", somePlace + "?code=" + someCode, noState},
		{"with an empty state", somePlace + "?code=" + someCode + "&state=", noState},
		{"with a state cut short", somePlace + "?code=" + someCode + "&state=0123", Drop{Code: NewSecret(someCode), State: "0123", Address: true}},
		{"with the same code twice", somePlace + "?" + someQuery + "&code=" + someCode, cuttable},
		{"with an empty error", somePlace + "?error=&" + someQuery, cuttable},
		{"with an encoded code", somePlace + "?code=a%2Bb%2Fc%3Dd%25e%7Cf&state=" + someState, Drop{Code: NewSecret("a+b/c=d%e|f"), State: someState, Address: true}},
		{"with a plus that somebody decoded", somePlace + "?code=abcde+fghij", Drop{Code: NewSecret("abcde+fghij"), Address: true}},

		{"the query alone", someQuery, cuttable},
		{"with its question mark", "?" + someQuery, cuttable},
		{"with an iss that is an address", someQuery + "&iss=https://www.amazon.com/?x=1", cuttable},
		{"with the code behind", "state=" + someState + "&code=" + someCode, cuttable},
		{"copied from behind code=", someCode + "&scope=profile&state=" + someState, cuttable},

		{"an assignment", "code=" + someCode + "\n", bare},
		{"in capitals", "CODE=" + someCode, bare},
		{"with blanks, as in TOML", "code = " + someCode, bare},
		{"in quotes, as in a shell", `CODE="` + someCode + `"` + "\n", bare},
		{"in quotes, as in TOML", `code = "` + someCode + `"`, bare},
		{"in quotes nothing is decoded", `code="abc%2Bdef+g"`, Drop{Code: NewSecret("abc%2Bdef+g")}},
		{"in single quotes", "Code='" + someCode + "'", bare},
		{"of an address", "code=" + somePlace + "?" + someQuery, cuttable},
		{"of an address in quotes", `code = "` + somePlace + "?" + someQuery + `"`, complete},

		{"JSON", `{"code":"` + someCode + `"}`, bare},
		{"with a state", `{"code":"` + someCode + `","state":"` + someState + `"}`, complete},
		{"on several lines, with other keys", "{\r\n  \"scope\": [\"profile\", {\"code\": 1}],\n  \"code\": \"" + someCode + "\",\n  \"state\": null\n}\n", bare},
		{"keys in capitals are other keys", `{"CODE":"0000000000","code":"` + someCode + `"}`, bare},
		{"nothing is form-decoded", `{"code":"abc%2Bdef+g"}`, Drop{Code: NewSecret("abc%2Bdef+g")}},
		{"in typographic quotes from a phone", `{“code”:“` + someCode + `”}`, bare},
		{"as UTF-16", utf16Text("\ufeff{\"code\":\""+someCode+"\"}", binary.LittleEndian), bare},
		{"of an address", `{"code":"` + somePlace + `?code=` + someCode + `\u0026state=` + someState + `"}`, complete},
		{"of an address, with the state beside it", `{"code":"` + somePlace + `?code=` + someCode + `","state":"` + someState + `"}`, complete},

		{
			"the person pressed Cancel", somePlace + "?error_description=Access+not+permitted.&state=" + someState + "&error=access_denied",
			Drop{State: someState, Error: "access_denied", ErrorDescription: "Access not permitted.", Address: true},
		},
		{
			"an error as query", "error=invalid_scope&error_description=An+unknown+scope+%2B+more",
			Drop{Error: "invalid_scope", ErrorDescription: "An unknown scope + more", Address: true},
		},
		{
			"an error that would write on the terminal", "error=a%1b%5b2Jb%0a&error_description=%e2%80%ae%c3%9f%ff%07",
			Drop{Error: "a [2Jb", ErrorDescription: "ß", Address: true},
		},
		{"an error in JSON", `{"error":"access_denied"}`, Drop{Error: "access_denied"}},
	} {
		got, err := ParseDrop([]byte(c.text))
		if err != nil {
			t.Errorf("%s: refused: %v", c.name, err)
		} else if got != c.want {
			t.Errorf("%s: got %+v (code %q), want %+v (code %q)", c.name, got, got.Code.Reveal(), c.want, c.want.Code.Reveal())
		}
	}
}

func TestNonsenseIsRefusedWithAReasonAndACure(t *testing.T) {
	for _, c := range []struct{ name, text, why string }{
		{"nothing", "", "no text"},
		{"blanks only", " \r\n\t\u00a0", "no text"},
		{"a byte order mark only", "\ufeff", "no text"},
		{"empty quotes", `""`, "no text"},
		{"too short", "123456789", "shorter than 10"},
		{"too long", strings.Repeat("x", 2049), "longer than 2,048"},
		{"larger than a file may be", strings.Repeat("x", MaxDrop+1), "larger than 4 KiB"},
		{"two words", "hello world, how are you", "more than one word"},
		{"two codes", someCode + "\n" + someCode, "more than one word"},
		{"an address that a mail program broke", somePlace + "?code=ANBzsj\nhYZmNCTeAszagk", "more than one word"},
		{"letters that no code has", "ANBzsjhYZmNCTé", "characters that no code has"},
		{"binary", "\x7fELF\x02\x01\x01\x03\x04\x05\x06\x07\x08", "characters that no code has"},
		{"an address half written", "https://loc", "no code in it"},
		{"an address without a code", somePlace + "?state=" + someState, "no code in it"},
		{"an address with an empty code", somePlace + "?code=&state=" + someState, "no code in it"},
		{"the address from the QR code", "https://www.amazon.com/ap/oa?client_id=amzn1&response_type=code&state=" + someState, "no code in it"},
		{"a query without a code", "state=" + someState + "&scope=profile", "no code in it"},
		{"half of a query", "scope=alexa%3Aall", "no code in it"},
		{"a document of a word processor", `{\rtf1\ansi ` + someCode + "}", "word processor"},
		{"a code with a blank in it", somePlace + "?code=abcde%20fghij", "more than one word"},
		{"a code with a line end in it", somePlace + "?code=abcdefghij%0aX-Header:1", "characters that no code has"},
		{"a state with a line end in it", somePlace + "?code=abcdefghij&state=a%0a", "state"},
		{"two codes in an address", somePlace + "?code=abcdefghij&code=klmnopqrst", "two different values for code"},
		{"two states in an address", somePlace + "?code=abcdefghij&state=a&state=b", "two different values for state"},
		{"a code and an error", somePlace + "?error=access_denied&code=abcdefghij", "both a code and an error"},
		{"an escape cut short", somePlace + "?code=abcdefghij%2", "%"},
		{"an escape that is none", somePlace + "?code=abcdefghij%zz", "%"},
		{"a quote half written", `"` + someCode, "counterpart"},
		{"an assignment half written", `CODE="` + someCode, "counterpart"},
		{"quotes of two kinds", `"` + someCode + `'`, "counterpart"},
		{"a quote alone", `"`, "counterpart"},
		{"an assignment of nothing", "code=", "no code in it"},
		{"JSON half written", `{"code":"` + someCode, "JSON"},
		{"JSON without its end", `{"code":"` + someCode + `"`, "JSON"},
		{"JSON without a code", `{"access_token":"ABCDEFGHIJ"}`, "no code in it"},
		{"JSON with a number", `{"code":1234567890}`, "not a string"},
		{"JSON with two codes", `{"code":"abcdefghij","code":"klmnopqrst"}`, "two different values"},
		{"JSON with two states", `{"code":"https://a/?code=abcdefghij&state=x","state":"y"}`, "two different values"},
		{"JSON with more behind it", `{"code":"` + someCode + `"} {"code":"` + someCode + `"}`, "behind the JSON"},
		{"a JSON list", `["` + someCode + `"]`, "neither a code nor an address"},
		{"a web page", "<html><body>Sign-In</body></html>", "neither a code nor an address"},
	} {
		d, err := ParseDrop([]byte(c.text))
		refused, ok := errors.AsType[*DropError](err)
		if !ok {
			t.Errorf("%s: got %+v, %v, want a DropError: it would be sent to Amazon", c.name, d, err)
			continue
		}
		if !strings.Contains(refused.Message, c.why) || refused.Hint == "" {
			t.Errorf("%s: the person reads %q (hint %q), want something with %q", c.name, refused.Message, refused.Hint, c.why)
		}
		if d != (Drop{}) {
			t.Errorf("%s: got %+v beside the error, want nothing that could be sent", c.name, d)
		}
	}
}

func FuzzParseDrop(f *testing.F) {
	for _, seed := range []string{
		someCode, someQuery, somePlace + "?" + someQuery + "\r\n", `CODE="` + someCode + `"`, "code = '" + someCode + "'",
		`{"code":"` + someCode + `","state":"` + someState + `"}`, "?error=access_denied&error_description=No+%2B", "“" + someCode + "”",
		utf16Text("\ufeff"+someCode, binary.LittleEndian), utf16Text(someCode, binary.BigEndian), "a%2", "<http://a?code=>",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := ParseDrop(text)
		if err != nil {
			checkSilence(t, err, text)
			return
		}
		if d.Code.IsZero() == (d.Error == "") {
			t.Fatalf("got %+v, want either a code or an error", d)
		}
		if d.Code.IsZero() {
			if again, err := ParseDrop([]byte("error=" + url.QueryEscape(d.Error))); err != nil || again.Error != d.Error {
				t.Fatalf("error word %q reads as %q, %v the second time", d.Error, again.Error, err)
			}
			return
		}
		code := d.Code.Reveal()
		if len(code) > MaxDrop || !isVisible(code) {
			t.Fatalf("took a code of %d characters, want visible ones: %q", len(code), code)
		}
		want := Drop{Code: d.Code, State: someState}
		object, _ := json.Marshal(map[string]string{"code": code, "state": someState})
		for form, address := range map[string]bool{
			string(object): false,
			somePlace + "?state=" + someState + "&code=" + url.QueryEscape(code) + "\r\n": true,
			"code=" + url.QueryEscape(code) + "&state=" + someState:                       true,
			"\ufeff'code=" + url.QueryEscape(code) + "&state=" + someState + "'":          false,
		} {
			want.Address = address
			if isAddress(code) || len(form) > MaxDrop {
				continue // a code cannot look like an address, nor a drop be that large
			}
			if got, err := ParseDrop([]byte(form)); err != nil || got != want {
				t.Fatalf("the code %q came back as %+v %q, %v from %s", code, got, got.Code.Reveal(), err, form)
			}
		}
	})
}

// checkSilence fails if a word that could be a code got into the error, which
// goes to logs and displays. Our own words are lower case or short.
func checkSilence(t *testing.T, err error, text []byte) {
	t.Helper()
	if _, ok := errors.AsType[*DropError](err); !ok || strings.Contains(err.Error(), "\n") {
		t.Fatalf("error %v, want a DropError of one line", err)
	}
	for word := range strings.FieldsSeq(plainText(text)) {
		if len(word) >= 10 && strings.ToLower(word) != word && strings.Contains(err.Error(), word) {
			t.Fatalf("the error says %q, which was handed in: %v", word, err)
		}
	}
}
