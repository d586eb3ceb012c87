package movein

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const (
	token  = "Atzr|IwEBIDz-0Jx_of+the/other=program"
	client = "amzn1.application-oa2-client.00112233445566778899aabbccddeeff"
)

// The forms in which programs keep a token, as they write them.
var forms = map[string]struct {
	text string
	want Found
}{
	"a token":                    {token + "\n", Found{}},
	"a token in quotes":          {`"` + token + `"`, Found{}},
	"a token of Windows'":        {"\ufeff" + token + "\r\n", Found{}},
	"the answer that curl saves": {`{"access_token":"Atza|IQEBLj","refresh_token":"` + token + `","token_type":"bearer","expires_in":3600}`, Found{}},
	"that answer, by jq": {`{
  "access_token": "Atza|IQEBLj",
  "refresh_token": "` + token + `",
  "token_type": "bearer",
  "expires_in": 3600
}
`, Found{}},
	"a file that a shell sources": {"export ACCESS_TOKEN=Atza|IQEBLj\nexport REFRESH_TOKEN='" + token + "'\nCLIENT_ID=" + client + "\n", Found{ClientID: client}},
	"AlexaPi": {`# Rename this file to config.yaml and fill in the fields

logging: INFO

sound:
  # Name of your ALSA microphone/soundcard in arecord -L
  input_device: "default"
  media_output:

# Amazon Alexa settings
alexa:
  Client_ID: "` + client + `"
  Client_Secret: "47e089f9cb92"   # do not share
  Device_Type_ID: "my_device"
  Security_Profile_Description:
  Security_Profile_ID: amzn1.application.1234
  refresh_token: "` + token + `"

triggers:
  platform:
    enabled: true
    messages: {a: "g"}
`, Found{ClientID: client, HasSecret: true, ProductID: "my_device"}},
	"AlexaPi before its YAML": {`ProductID = "RaspberryAlexa"
Security_Profile_Description = "Pi"
Client_ID = "` + client + `"
Client_Secret = "47e089f9cb92"
refresh_token = '` + token + `'
`, Found{ClientID: client, HasSecret: true, ProductID: "RaspberryAlexa"}},
	"respeaker": {`{
    "product_id": "rk322x",
    "client_id": "` + client + `",
    "host_url": "avs-alexa-na.amazon.com",
    "client_secret": "47e089f9cb92",
    "refresh_token": "` + token + `",
    "expiry": "Mon Aug 06 09:12:07 2018",
    "access_token": "Atza|IwEBIF"
}`, Found{ClientID: client, HasSecret: true, ProductID: "rk322x"}},
	"the SDK's configuration, before 1.7": {`{
    "authDelegate":{
        // The Client Secret of the Product from developer.amazon.com
        "clientSecret":"47e089f9cb92",
        "deviceSerialNumber":"123456",
        // Refresh Token populated by running AuthServer.py
        "refreshToken":"` + token + `",
        "clientId":"` + client + `",
        "productId":"MyProduct"
    },
    "settings":{"databaseFilePath":"/home/pi/settings.db","defaultAVSClientSettings":{"locale":"en-US"}}
}`, Found{ClientID: client, HasSecret: true, ProductID: "MyProduct", Serial: "123456"}},
	"the SDK's database, before 1.26": {`PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE refreshToken (refreshToken TEXT);
INSERT INTO refreshToken VALUES('` + token + `');
COMMIT;
`, Found{}},
	"the SDK's database, later": {`PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE config_LWAAuthorizationStorage (key TEXT NOT NULL PRIMARY KEY,value TEXT NOT NULL);
INSERT INTO config_LWAAuthorizationStorage VALUES('refreshToken','` + token + `');
INSERT INTO config_LWAAuthorizationStorage VALUES('userId','amzn1.account.AE');
CREATE TABLE notes (a INT, b TEXT, c);
INSERT INTO notes VALUES(1,replace('it''s\nhere; INSERT INTO refreshToken VALUES(','\n',char(10)),X'41');
COMMIT;
`, Found{}},
}

func TestEveryProgramsFileIsRead(t *testing.T) {
	for name, form := range forms {
		got, err := Parse([]byte(form.text))
		if err != nil || got.Refresh.Reveal() != token {
			t.Errorf("%s: %q, %v; want the token", name, got.Refresh.Reveal(), err)
			continue
		}
		form.want.Refresh = got.Refresh
		if got != form.want {
			t.Errorf("%s: %+v, want %+v", name, got, form.want)
		}
	}
}

func TestWhatHoldsNoTokenIsSaidInALine(t *testing.T) {
	for text, want := range map[string]string{
		"":                            "nothing was handed in; ",
		" \r\n":                       "nothing was handed in; ",
		"SQLite format 3\x00\x10":     "sqlite3 FILE .dump",
		"\xff\xfeA\x00":               "UTF-8",
		"{":                           "no whole JSON",
		"[1]":                         "no refresh token; ",
		"{}":                          "no refresh token; ",
		`{"refresh_token":""}`:        "no refresh token; ",
		`{"refresh_token":7}`:         "no refresh token; ",
		`{"access_token":"Atza|x"}`:   "access token",
		"Atza|IwEBIDz-0Jx":            "access token",
		"https://localhost/?code=ANx": "no refresh token; ",
		"Atzr|cut in two":             "no refresh token; ",
		"word":                        "single word",
		"alexa:\n  refresh_token:\n":  "no refresh token; ",
		"refresh_token: \"Atzr|never-closed\nb: c":                                      "single word",
		"refresh_token: Atzr|one-of-two\nrefresh_token: Atzr|two-of-two":                "two refresh tokens",
		"{\"refresh_token\":\"Atzr|secret-word\",\"client_id\":\"a\\u0007b\"}":          "client id is damaged",
		"PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCOMMIT;":                         "no refresh token",
		"CREATE TABLE refreshToken (refreshToken TEXT);":                                "databaseFilePath",
		"INSERT INTO alerts VALUES('a',1);":                                             "databaseFilePath",
		"INSERT INTO config_LWAAuthorizationStorage VALUES('refreshToken','MIIBCgKC');": "encrypted",
	} {
		got, err := Parse([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") || !got.Refresh.IsZero() {
			t.Errorf("%q: %v, want one line with %q", text, err, want)
		} else if !strings.Contains(err.Error(), ";") {
			t.Errorf("%q: %v; want what to do as well", text, err)
		} else if strings.Contains(err.Error(), "secret-word") || strings.Contains(err.Error(), "never-closed") {
			t.Errorf("%q: the error quotes it", text)
		}
	}
}

// TestSQLitesOwnDump: what is above was written from memory of sqlite3's output.
func TestSQLitesOwnDump(t *testing.T) {
	if _, err := exec.LookPath("sqlite3"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("sqlite3 is missing: apt-get install sqlite3")
		}
		t.Skip("SKIPPED, NOTHING TESTED: sqlite3 is missing: apt-get install sqlite3")
	}
	for name, sql := range map[string]string{
		"before 1.26": "CREATE TABLE refreshToken (refreshToken TEXT); INSERT INTO refreshToken (refreshToken) VALUES ('" + token + "');",
		"later":       "CREATE TABLE config_LWAAuthorizationStorage (key TEXT, value TEXT); INSERT INTO config_LWAAuthorizationStorage VALUES ('userId','it''s' || char(10)), ('refreshToken','" + token + "');",
		"odd name":    `CREATE TABLE "config-LWAAuthorizationStorage" (key TEXT, value TEXT); INSERT INTO "config-LWAAuthorizationStorage" VALUES ('refreshToken','` + token + `');`,
	} {
		db := filepath.Join(t.TempDir(), "auth.db")
		if out, err := exec.CommandContext(t.Context(), "sqlite3", db, sql).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		dump, err := exec.CommandContext(t.Context(), "sqlite3", db, ".dump").Output()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Parse(dump); err != nil || got.Refresh.Reveal() != token {
			t.Errorf("%s: %v from\n%s", name, err, dump)
		}
		file, err := os.ReadFile(db)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(file); err == nil || !strings.Contains(err.Error(), ".dump") {
			t.Errorf("the file itself: %v, want the command that prints it", err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, form := range forms {
		f.Add([]byte(form.text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := Parse(text)
		switch {
		case err == nil && (got.Refresh.IsZero() || strings.ContainsAny(got.Refresh.Reveal(), " \r\n\x00")):
			t.Errorf("%q is taken for a token", got.Refresh.Reveal())
		case err != nil && !got.Refresh.IsZero():
			t.Error("an error, and a token beside it")
		case err != nil && (strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "Atzr|I")):
			t.Errorf("not one line, or it quotes the text: %q", err)
		}
	})
}
