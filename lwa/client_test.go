package lwa

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"lwa-agent/lwa/lwatest"
)

// device is a client with a simulated Amazon behind it, and every secret that
// passed between them.
type device struct {
	*Client
	t       *testing.T
	sim     *lwatest.Sim
	attempt Attempt
	secrets []string
}

func newDevice(t *testing.T, o lwatest.Options, clientID string) *device {
	t.Helper()
	endpoints, _ := RegionEndpoints("na")
	d := &device{t: t, sim: lwatest.New(o), attempt: NewAttempt(lwatest.ReturnURL)}
	d.Client = &Client{
		ID: clientID, Scopes: []string{"profile"}, RedirectURI: lwatest.ReturnURL,
		Endpoints: endpoints, Transport: d.sim.RoundTripper(),
	}
	if clientID == lwatest.WebClientID {
		d.Secret = NewSecret(lwatest.WebClientSecret)
		d.secrets = append(d.secrets, lwatest.WebClientSecret)
	}
	d.secrets = append(d.secrets, d.attempt.Verifier.Reveal())
	t.Cleanup(func() {
		for _, v := range d.sim.Violations() {
			t.Errorf("Amazon objects: %s", v)
		}
	})
	return d
}

// mobile is the client that can do most: authorize URL, no secret, refresh
// tokens.
func mobile(t *testing.T, o lwatest.Options) *device {
	t.Helper()
	return newDevice(t, o, lwatest.MobileClientID)
}

func (d *device) secret(s Secret) Secret {
	d.secrets = append(d.secrets, s.Reveal())
	return s
}

// signIn is the person; it returns the code.
func (d *device) signIn() Secret {
	d.t.Helper()
	back, err := d.sim.Allow(d.AuthorizeURL(d.attempt))
	if err != nil {
		d.t.Fatalf("the person cannot sign in: %v", err)
	}
	drop, err := ParseDrop([]byte(back))
	if err != nil {
		d.t.Fatalf("the redirect %q: %v", back, err)
	}
	if !d.attempt.Matches(drop.State) {
		d.t.Fatal("the state did not come back")
	}
	return d.secret(drop.Code)
}

func (d *device) link() Token {
	d.t.Helper()
	token, err := d.Exchange(d.t.Context(), d.signIn(), d.attempt)
	if err != nil {
		d.t.Fatalf("exchange: %v", err)
	}
	d.secret(token.Access)
	d.secret(token.Refresh)
	return token
}

func (d *device) newPair() Pair {
	d.t.Helper()
	pair, err := d.CodePair(d.t.Context())
	if err != nil {
		d.t.Fatalf("code pair: %v", err)
	}
	d.secret(pair.DeviceCode)
	return pair
}

// calls are the five kinds of request, each ready to be made: prepare does all
// that comes before it.
type preparedCall struct {
	kind    lwatest.Kind
	prepare func(d *device) func(context.Context) error
}

func everyCall() []preparedCall {
	return []preparedCall{
		{lwatest.Exchange, func(d *device) func(context.Context) error {
			code := d.signIn()
			return func(ctx context.Context) error { return kept(d, ctx, code) }
		}},
		{lwatest.Refresh, func(d *device) func(context.Context) error {
			token := d.link()
			return func(ctx context.Context) error {
				fresh, err := d.Refresh(ctx, token.Refresh)
				return whole(fresh, err)
			}
		}},
		{lwatest.CodePair, func(d *device) func(context.Context) error {
			return func(ctx context.Context) error {
				pair, err := d.CodePair(ctx)
				if err == nil && (len(pair.DeviceCode.Reveal()) != 36 || len(pair.UserCode) != 6) {
					return fmt.Errorf("a pair of %d and %d characters", len(pair.DeviceCode.Reveal()), len(pair.UserCode))
				}
				return err
			}
		}},
		{lwatest.Poll, func(d *device) func(context.Context) error {
			pair := d.newPair()
			if err := d.sim.AllowPair(pair.UserCode); err != nil {
				d.t.Fatal(err)
			}
			return func(ctx context.Context) error {
				token, err := d.Poll(ctx, pair)
				return whole(token, err)
			}
		}},
		{lwatest.Profile, func(d *device) func(context.Context) error {
			token := d.link()
			return func(ctx context.Context) error {
				name, err := d.Profile(ctx, token.Access)
				if err == nil && name != "Jo Example" {
					return fmt.Errorf("account %q, want Jo Example", name)
				}
				return err
			}
		}},
	}
}

func kept(d *device, ctx context.Context, code Secret) error {
	token, err := d.Exchange(ctx, code, d.attempt)
	return whole(token, err)
}

// whole is an error of its own for a token that is not the one that was sent.
func whole(token Token, err error) error {
	switch {
	case err != nil:
		return err
	case !strings.HasPrefix(token.Access.Reveal(), "Atza|") || !strings.HasPrefix(token.Refresh.Reveal(), "Atzr|"):
		return errors.New("the tokens are not those that were sent")
	case token.Life != time.Hour:
		return fmt.Errorf("life %v, want 1h", token.Life)
	}
	return nil
}

// failure returns err as the *Error that every failed call must return, and
// checks that no secret shows.
func (d *device) failure(err error) *Error {
	d.t.Helper()
	e, is := errors.AsType[*Error](err)
	if !is {
		d.t.Fatalf("the call returned %v, want an *Error", err)
	}
	shown := fmt.Sprintf("%v %+v %#v %v %+v", err, err, err, *e, *e)
	for _, s := range d.secrets {
		if s != "" && (strings.Contains(shown, s) || strings.Contains(shown, url.QueryEscape(s))) {
			d.t.Errorf("a secret shows in the error %q", shown)
		}
	}
	if e.Message == "" || strings.ContainsAny(e.Message+e.Hint, "\n\r\x1b") {
		d.t.Errorf("message %q, hint %q: want one line for people", e.Message, e.Hint)
	}
	return e
}

func TestCodeBecomesTokensThatCanBeRefreshed(t *testing.T) {
	for _, id := range []string{lwatest.WebClientID, lwatest.MobileClientID} {
		d := newDevice(t, lwatest.Options{}, id)
		first := d.link()
		second, err := d.Refresh(t.Context(), first.Refresh)
		if err != nil {
			t.Fatalf("%s: refresh: %v", id, err)
		}
		if second.Access == first.Access || second.Refresh != first.Refresh || second.Life != time.Hour || second.Date.IsZero() {
			t.Errorf("%s: refreshed to %+v, want another access token for an hour, the same refresh token and a date", id, second)
		}
		if name, err := d.Profile(t.Context(), second.Access); err != nil || name != "Jo Example" {
			t.Errorf("%s: profile is %q, %v, want Jo Example", id, name, err)
		}
		if n := d.sim.Count(); n != 4 {
			t.Errorf("%s: %d requests, want authorize, exchange, refresh and profile, one each", id, n)
		}
	}
}

func TestAnyOAuthServerWithPKCEWorks(t *testing.T) {
	d := mobile(t, lwatest.Options{Standard: true, ExpiresIn: lwatest.ExpiresFraction})
	d.Scopes = []string{"openid", "offline_access"}
	first := d.link()
	if first.Scopes != "openid offline_access" || first.Life != time.Hour {
		t.Errorf("granted %q for %v, want the scopes of the answer and 1h from 3600.0", first.Scopes, first.Life)
	}
	if _, err := d.Refresh(t.Context(), first.Refresh); err != nil {
		t.Errorf("refresh: %v", err)
	}
}

func TestCodePairIsPolledUntilThePersonAllows(t *testing.T) {
	d := newDevice(t, lwatest.Options{}, lwatest.DeviceClientID)
	pair := d.newPair()
	if pair.Interval != 30*time.Second || pair.Life != 10*time.Minute || pair.VerificationURI != "https://amazon.com/us/code" || pair.Date.IsZero() {
		t.Errorf("pair is %+v, want Amazon's 30 s, 10 min, address and date", pair)
	}
	if _, err := d.Poll(t.Context(), pair); d.failure(err).Kind != Pending {
		t.Errorf("poll before anybody signed in: %v, want pending", err)
	}
	if err := d.sim.AllowPair(pair.UserCode); err != nil {
		t.Fatal(err)
	}
	token, err := d.Poll(t.Context(), pair)
	if err := whole(token, err); err != nil {
		t.Fatalf("poll after the person allowed it: %v", err)
	}
	if _, err := d.Refresh(t.Context(), token.Refresh); err != nil {
		t.Errorf("the proof refresh: %v", err)
	}
}

func TestPairIsHeldToSaneNumbers(t *testing.T) {
	for _, c := range []struct {
		name           string
		answer         string
		interval, life time.Duration
	}{
		{"none given", ``, minInterval, defaultPairLife},
		{"too eager", `,"interval":1,"expires_in":600`, minInterval, 10 * time.Minute},
		{"as strings", `,"interval":"30","expires_in":"300"`, 30 * time.Second, 5 * time.Minute},
		{"absurd", `,"interval":1e9,"expires_in":1e12`, maxInterval, maxPairLife},
		{"negative", `,"interval":-1,"expires_in":-1`, minInterval, defaultPairLife},
		{"very short", `,"interval":5,"expires_in":2`, minInterval, 2 * time.Second},
	} {
		d := answering(t, http.StatusOK, `{"device_code":"d-1","user_code":"ABC123","verification_uri":"https://amazon.com/us/code"`+c.answer+`}`)
		pair, err := d.CodePair(t.Context())
		if err != nil || pair.Interval != c.interval || pair.Life != c.life {
			t.Errorf("%s: interval %v, life %v (%v), want %v and %v", c.name, pair.Interval, pair.Life, err, c.interval, c.life)
		}
	}
	if got := []time.Duration{SlowedDown(5 * time.Second), SlowedDown(40 * time.Second), SlowedDown(time.Minute)}; got[0] != 10*time.Second || got[1] != time.Minute || got[2] != time.Minute {
		t.Errorf("slowed down to %v, want twice as slow and at most a minute", got)
	}
}

func TestPairThatNobodyCouldUseIsNotShown(t *testing.T) {
	const good = `"device_code":"d-1","user_code":"ABC123","verification_uri":"https://amazon.com/us/code"`
	for _, bad := range []string{
		strings.Replace(good, "d-1", "", 1),
		strings.Replace(good, "ABC123", "", 1),
		strings.Replace(good, "ABC123", `AB\u001b[2J`, 1),
		strings.Replace(good, "ABC123", strings.Repeat("A", 41), 1),
		strings.Replace(good, "https://amazon.com/us/code", "", 1),
		strings.Replace(good, "https://amazon.com/us/code", "somewhere", 1),
		strings.Replace(good, "https://amazon.com/us/code", "https://amazon.com/"+strings.Repeat("x", 200), 1),
	} {
		d := answering(t, http.StatusOK, "{"+bad+"}")
		_, err := d.CodePair(t.Context())
		if e := d.failure(err); e.Kind != Passing {
			t.Errorf("%s: %+v, want a passing failure", bad, e)
		}
	}
}

func TestAccountIsNamedByTheBestThatIsGranted(t *testing.T) {
	for answer, want := range map[string]string{
		`{"user_id":"amzn1.account.A","email":"jo@example.com","name":"Jo Example"}`: "Jo Example",
		`{"user_id":"amzn1.account.A","email":"jo@example.com"}`:                     "jo@example.com",
		`{"user_id":"amzn1.account.A"}`:                                              "amzn1.account.A",
		`{"sub":"248289761001"}`:                                                     "248289761001",
		`{}`:                                                                         "",
		`{"name":7,"email":null}`:                                                    "",
		`{"name":"Jo\u001b[31m\r\n Example\u202e"}`:                                  "Jo[31m Example",
		`{"name":"` + strings.Repeat("ä", 200) + `"}`:                                strings.Repeat("ä", 60),
	} {
		d := answering(t, http.StatusOK, answer)
		if got, err := d.Profile(t.Context(), NewSecret("Atza|x")); err != nil || got != want {
			t.Errorf("%.60s: account %q, %v, want %q", answer, got, err, want)
		}
	}
}
