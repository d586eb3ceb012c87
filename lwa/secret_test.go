package lwa

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

const canary = "canary|9f86d081884c7d65"

// places is a value with a secret wherever one can be.
type places struct {
	Open    Secret
	hidden  Secret
	Pointer *Secret
	Any     any
	hiddenA any
	List    []Secret
	hiddenL []Secret
	Keys    map[Secret]int
	hiddenM map[string]Secret
	Inner   struct{ deep struct{ secret Secret } }
	Token   Token
	Attempt Attempt
	Client  Client
	Pair    Pair
	Drop    Drop
}

func everywhere() places {
	s := NewSecret(canary)
	p := places{
		Open: s, hidden: s, Pointer: &s, Any: s, hiddenA: s, List: []Secret{s}, hiddenL: []Secret{s},
		Keys: map[Secret]int{s: 1}, hiddenM: map[string]Secret{"key": s},
		Token: Token{Access: s, Refresh: s}, Attempt: Attempt{Verifier: s}, Client: Client{Secret: s}, Pair: Pair{DeviceCode: s}, Drop: Drop{Code: s},
	}
	p.Inner.deep.secret = s
	return p
}

// shows reports whether text holds the canary, in whatever spelling.
func shows(text string) bool {
	for _, spelling := range []string{
		canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary), fmt.Sprintf("% x", canary), fmt.Sprintf("%v", []byte(canary)),
		fmt.Sprintf("%U", []rune(canary)), canary[7:],
	} {
		if strings.Contains(text, spelling) {
			return true
		}
	}
	return false
}

func TestNoVerbPrintsASecret(t *testing.T) {
	p := everywhere()
	s := p.Open
	values := map[string]any{
		"secret": s, "pointer": &s, "slice": []Secret{s}, "array": [1]Secret{s}, "map": p.hiddenM, "map key": p.Keys,
		"struct": p, "pointer to struct": &p, "error": fmt.Errorf("call %v: %w", s, &Error{Message: s.String()}),
		"token": p.Token, "attempt": p.Attempt, "client": p.Client, "pair": p.Pair, "drop": p.Drop,
		"closed struct": struct{ inner struct{ s Secret } }{struct{ s Secret }{s}},
	}
	for name, v := range values {
		for _, flags := range []string{"", "+", "#", "-", " ", "0", "+#", "40", ".3", "-40.40", "# "} {
			for verb := 'A'; verb <= 'z'; verb++ {
				if text := fmt.Sprintf("%"+flags+string(verb), v); shows(text) {
					t.Errorf("a %s printed with %%%s%c shows the secret", name, flags, verb)
				}
			}
		}
		if text := fmt.Sprint(v) + fmt.Sprintln(v); shows(text) {
			t.Errorf("a %s printed plainly shows the secret", name)
		}
	}
	if got := fmt.Sprintf("%s %v %q %x %d %#v", s, s, s, s, s, s); got != strings.TrimSpace(strings.Repeat("[secret] ", 6)) {
		t.Errorf("printed as %q, want [secret] for each verb", got)
	}
}

func TestNoLogLineHoldsASecret(t *testing.T) {
	p := everywhere()
	var out bytes.Buffer
	for _, log := range []*slog.Logger{
		slog.New(slog.NewTextHandler(&out, nil)),
		slog.New(slog.NewJSONHandler(&out, nil)),
		slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{AddSource: true, Level: slog.LevelDebug})),
	} {
		log.Info("a secret", "secret", p.Open, "pointer", p.Pointer, "any", p.Any)
		log.WithGroup("group").Info("in a group", "secret", p.Open)
		log.Info("structures", "struct", p, "struct_pointer", &p, "token", p.Token, "attempt", p.Attempt, "list", p.List, "map", p.hiddenM)
		log.With("secret", p.Open).WithGroup("g").Error("with", "error", errors.Join(errors.New(p.Open.String()), fmt.Errorf("%v", p.hidden)))
	}
	if shows(out.String()) {
		t.Errorf("the log shows the secret:\n%s", out.String())
	}
	if !strings.Contains(out.String(), "[secret]") {
		t.Error("the log does not even tell that there was one, so nothing was tested")
	}
}

func TestNoEncodingHoldsASecret(t *testing.T) {
	p := everywhere()
	type table struct {
		Open    Secret
		Pointer *Secret
		List    []Secret
		Token   Token
	}
	for name, encode := range map[string]func(any) ([]byte, error){"JSON": json.Marshal, "TOML": toml.Marshal, "XML": xml.Marshal} {
		text, err := encode(table{p.Open, p.Pointer, p.List, p.Token})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if shows(string(text)) || !strings.Contains(string(text), "[secret]") {
			t.Errorf("%s is %s, want [secret] in place of each secret", name, text)
		}
	}
	if text, err := json.Marshal(p.Keys); err != nil || shows(string(text)) {
		t.Errorf("a map's keys became %s, %v", text, err)
	}
}

func TestSecretsAreRecognisedWithoutBeingShown(t *testing.T) {
	s := NewSecret(canary)
	if s.Reveal() != canary || s != NewSecret(string([]byte(canary))) || s == NewSecret(canary+"x") {
		t.Error("secrets of the same text must be equal, others not: answers are compared to see whether a token is new")
	}
	if h := s.Hash(); len(h) != 32 || h != NewSecret(canary).Hash() || h == NewSecret(canary+"x").Hash() || shows(h) {
		t.Errorf("hash %q, want 128 bits in hexadecimal that stand for the text alone", h)
	}
	if zero := (Secret{}); !zero.IsZero() || zero != NewSecret("") || zero.Reveal() != "" || !NewSecret("").IsZero() || s.IsZero() {
		t.Error("no text must be the zero Secret and nothing else")
	}
	if got := NewSecret("").Hash(); got != "e3b0c44298fc1c149afbf4c8996fb924" {
		t.Errorf("hash of nothing is %q, want the first half of SHA-256 of nothing", got)
	}
}
