package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"lwa-agent/agent"
)

// person signs in at Amazon's pages over HTTP, as a browser does.
type person struct{ browser *http.Client }

func newPerson() person {
	return person{&http.Client{
		Timeout: 10 * time.Second,
		// The address that a browser ends at is on no phone: it is what the
		// person brings back to the device.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// page is what the browser shows.
type page struct {
	status   string
	location string // where it is sent on to
	text     string
}

// allow opens the link that the status offers and presses Allow. back is where
// the browser ends by the authorize URL; code-based linking brings nothing back.
func (p person) allow(ctx context.Context, offer agent.Status) (back string, err error) {
	switch {
	case offer.AuthorizeURL != "":
		after, err := p.press(ctx, offer.AuthorizeURL)
		if err != nil {
			return "", err
		}
		if u, err := url.Parse(after.location); err != nil || u.Query().Get("code") == "" {
			return "", fmt.Errorf("after Allow the browser is sent to %q, which holds no code", after.location)
		}
		return after.location, nil
	case offer.UserCode != "":
		after, err := p.press(ctx, offer.VerificationURI+"?cbl-code="+url.QueryEscape(offer.UserCode))
		if err == nil && !strings.Contains(after.text, `id="success"`) {
			err = fmt.Errorf("after Allow the page does not say that it worked: %s", after.status)
		}
		return "", err
	}
	return "", fmt.Errorf("the device offers no link now: it is %s", summary(offer))
}

// press gets a page that asks for permission and posts its form.
func (p person) press(ctx context.Context, address string) (page, error) {
	question, err := p.request(ctx, http.MethodGet, address, "")
	if err != nil {
		return page{}, err
	}
	if !strings.Contains(question.text, `id="allow"`) {
		return page{}, fmt.Errorf("the page at %s has no button Allow: %s", address, question.status)
	}
	return p.request(ctx, http.MethodPost, address, url.Values{"press": {"allow"}}.Encode())
}

func (p person) request(ctx context.Context, method, address, form string) (page, error) {
	request, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form))
	if err != nil {
		return page{}, err
	}
	if form != "" {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := p.browser.Do(request)
	if err != nil {
		return page{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return page{response.Status, response.Header.Get("Location"), string(text)}, err
}

// owner asks Amazon whose account an access token belongs to, as a program does
// that was handed the token.
func (a *amazon) owner(ctx context.Context, token string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url+"/user/profile", http.NoBody)
	if err != nil {
		return "", err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	var profile struct{ Name string }
	if err := json.NewDecoder(response.Body).Decode(&profile); err != nil || profile.Name == "" {
		return "", fmt.Errorf("the API does not take the token: %s", response.Status)
	}
	return profile.Name, nil
}
