package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"lwa-agent/agent"
	"lwa-agent/cmd/internal/socket"
	"lwa-agent/lwa/lwatest"
)

func (s *story) start(ctx context.Context) (string, error) {
	// The agent outlives this step.
	if err := s.device.start(context.WithoutCancel(ctx)); err != nil {
		return "", err
	}
	if err := s.look(ctx, func(st agent.Status) bool { return st.AuthorizeURL != "" }); err != nil {
		return "", err
	}
	if !strings.HasPrefix(s.status.AuthorizeURL, s.amazon.url+"/") {
		return "", errors.New("the authorize URL leads elsewhere than to the simulated Amazon")
	}
	return fmt.Sprintf("the agent runs (process %d) and offers an authorize URL", s.device.agent.Process.Pid), nil
}

// look waits for a status that is wanted and keeps it.
func (s *story) look(ctx context.Context, wanted func(agent.Status) bool) (err error) {
	s.status, err = s.device.until(ctx, wanted)
	return err
}

func (s *story) signIn(ctx context.Context) (seen string, err error) {
	s.back, err = s.person.allow(ctx, s.status)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(s.back)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("the person pressed Allow; the browser ends at %s://%s/…", u.Scheme, u.Host), nil
}

func (s *story) dropAddress(ctx context.Context) (string, error) {
	if err := os.WriteFile(s.device.drop(), []byte(s.back+"\n"), 0o600); err != nil {
		return "", err
	}
	if err := s.look(ctx, socket.Named); err != nil {
		return "", err
	}
	if _, err := os.Stat(s.device.drop()); !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("linked, and %s is still there", s.device.drop())
	}
	result, err := os.ReadFile(filepath.Join(s.device.path("inbox"), "RESULT.txt"))
	if err != nil {
		return "", err
	}
	if !strings.Contains(string(result), "linked") {
		return "", fmt.Errorf("linked, and RESULT.txt beside the file says %q", result)
	}
	return "its address, dropped as a file, linked the device to " + s.status.Account, nil
}

func (s *story) useToken(ctx context.Context) (string, error) {
	token, err := s.device.socket().Token(ctx, 0)
	if err != nil {
		return "", err
	}
	owner, err := s.amazon.owner(ctx, token)
	if err != nil {
		return "", err
	}
	s.token = token
	return "a program got the token from agent.sock; Amazon says it is " + owner + "'s", nil
}

// refresh waits for another token than the one that the story knows.
func (s *story) refresh(ctx context.Context) (string, error) {
	var token string
	var asking error
	err := s.look(ctx, func(agent.Status) bool {
		token, asking = s.device.socket().Token(ctx, 0)
		return asking == nil && token != s.token
	})
	if err != nil {
		return "", errors.Join(err, asking)
	}
	if _, err := s.amazon.owner(ctx, token); err != nil {
		return "", err
	}
	s.token = token
	if s.status.ExpiresAt == nil {
		return "", errors.New("a new token, but the status does not say how long it is good")
	}
	return "refreshed: a new token, good until " + s.status.ExpiresAt.Local().Format(time.TimeOnly), nil
}

func (s *story) killAndStart(ctx context.Context) (string, error) {
	before, asked := s.status, s.amazon.Count(lwatest.Exchange, lwatest.Refresh)
	if err := s.device.kill(); err != nil {
		return "", err
	}
	if _, err := s.device.socket().Token(ctx, 0); err == nil {
		return "", errors.New("a token came although the agent was killed")
	}
	if err := s.device.start(context.WithoutCancel(ctx)); err != nil {
		return "", err
	}
	if err := s.look(ctx, socket.Named); err != nil {
		return "", err
	}
	if s.status.LinkedSince == nil || before.LinkedSince == nil || !s.status.LinkedSince.Equal(*before.LinkedSince) {
		return "", fmt.Errorf("linked since %v, and before it was killed since %v", s.status.LinkedSince, before.LinkedSince)
	}
	if _, err := s.device.socket().Token(ctx, 0); err != nil {
		return "", err
	}
	if n := s.amazon.Count(lwatest.Exchange); n != 1 {
		return "", fmt.Errorf("%d codes were sent to Amazon, want the one from before", n)
	}
	calls := "without asking Amazon"
	if s.amazon.Count(lwatest.Exchange, lwatest.Refresh) != asked {
		calls = "with a refresh, which was due"
	}
	return "killed (signal 9), started again: still linked, " + calls, nil
}

func (s *story) removeApp(ctx context.Context) (string, error) {
	s.amazon.RemoveApp()
	if err := s.look(ctx, func(st agent.Status) bool { return st.State == agent.Unlinked && st.AuthorizeURL != "" }); err != nil {
		return "", err
	}
	token, err := s.device.socket().Token(ctx, 0)
	refused, is := errors.AsType[*socket.Refusal](err)
	if token != "" || !is || refused.Status != http.StatusConflict {
		return "", fmt.Errorf("asked for a token, want 409, the agent answers: %w", err)
	}
	return "the app was removed at Amazon; the agent offers a link by itself", nil
}

func (s *story) changeConfig(ctx context.Context) (string, error) {
	if err := s.device.configure(agent.MethodCBL); err != nil {
		return "", err
	}
	if err := s.look(ctx, func(st agent.Status) bool { return st.UserCode != "" }); err != nil {
		return "", err
	}
	if s.status.Method != agent.MethodCBL || s.status.AuthorizeURL != "" {
		return "", fmt.Errorf("the method is %q, and both ways to link are offered", s.status.Method)
	}
	return fmt.Sprintf("config.toml was edited; the agent now shows the code %s", s.status.UserCode), nil
}

func (s *story) enterCode(ctx context.Context) (string, error) {
	if _, err := s.person.allow(ctx, s.status); err != nil {
		return "", err
	}
	return "the person entered it and pressed Allow; nothing has to come back", nil
}

func (s *story) linkedByCode(ctx context.Context) (string, error) {
	if err := s.look(ctx, socket.Named); err != nil {
		return "", err
	}
	return "the agent asked again: the device is linked to " + s.status.Account, nil
}

func (s *story) end(context.Context) (string, error) {
	if err := errors.Join(s.device.stop(), s.amazon.objections()); err != nil {
		return "", err
	}
	return fmt.Sprintf("the agent ended; Amazon got %d requests and objects to none", s.amazon.Count()), nil
}
