package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"lwa-agent/cmd/internal/config"
	"lwa-agent/lwa"
)

// checkFlags reports the first fault in a flag, before anything is asked.
func (s *setup) checkFlags(ctx context.Context) error {
	for _, f := range []struct{ flag, path string }{
		{"client-id", "client_id"}, {"redirect-uri", "redirect_uri"}, {"product-id", "device.product_id"}, {"region", "region"},
	} {
		if !s.given(f.flag) {
			continue
		}
		if err := s.refuses(f.path)(s.flag(f.flag)); err != nil {
			return fmt.Errorf("--%s: %w", f.flag, err)
		}
	}
	if s.given("client-secret-file") && (s.flag("client-secret-file") != "-" || !s.terminal) {
		text, err := s.secretOfFile(ctx, s.flag("client-secret-file"))
		if err == nil {
			err = refusesSecret(text)
		}
		if err != nil {
			return fmt.Errorf("--client-secret-file: %w", err)
		}
		s.secret = lwa.NewSecret(text)
	}
	if err := s.checkDisplayFlag(); err != nil {
		return fmt.Errorf("--display: %w", err)
	}
	if s.given("user") {
		if err := mayJoin(s.flag("user")); err != nil {
			return fmt.Errorf("--user: %w", err)
		}
	}
	return nil
}

// faultBefore is what is wrong with the file once more is added at its top, with
// the lines as people see them, who have the file without that.
func (s *setup) faultBefore(more ...config.Setting) error {
	text, err := s.parsed("", more...)
	added := max(bytes.Count(text, []byte("\n"))-bytes.Count(s.before, []byte("\n")), 0)
	all := []error{err}
	if joined, ok := errors.AsType[interface {
		error
		Unwrap() []error
	}](err); ok {
		all = joined.Unwrap()
	}
	for _, err := range all {
		if p, ok := errors.AsType[*config.Problem](err); ok {
			p.Line = max(p.Line-added, 1)
		}
	}
	return err
}

// secretOfFile reads a file, or standard input, without being held by one that
// nobody writes to.
func (s *setup) secretOfFile(ctx context.Context, path string) (string, error) {
	type result struct {
		text []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		in := s.In
		if path != "-" {
			f, err := os.Open(path)
			if err != nil {
				done <- result{err: err}
				return
			}
			defer f.Close()
			in = f
		}
		text, err := io.ReadAll(io.LimitReader(in, maxCode+1))
		done <- result{text, err}
	}()
	select {
	case r := <-done:
		return unwrapped(strings.TrimPrefix(string(r.text), "\ufeff")), r.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// refusesSecret does so as the configuration does, and knows what else is in reach.
// What it is given is never shown.
func refusesSecret(text string) error {
	switch {
	case text == "":
		return errors.New("there is no client secret; copy it from the security profile in Amazon's developer console")
	case len(text) > maxCode, strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return errors.New("the client secret is not one word of plain characters; copy it again")
	case strings.HasPrefix(text, config.ClientIDPrefix):
		return errors.New(`that is the client id; the client secret stands below it, behind "Show Secret"`)
	}
	return nil
}

// ownServer reports whether the file names another server than Amazon.
func (s *setup) ownServer() bool {
	for path, text := range s.texts {
		if strings.HasPrefix(path, "endpoints.") && text != "" {
			return true
		}
	}
	return false
}

// refuses returns what the configuration says to a text at path, whatever else
// stands in the file.
func (s *setup) refuses(path string) func(text string) error {
	return func(text string) error {
		settings := []config.Setting{{Path: "client_id", Text: someClientID()}}
		if s.ownServer() {
			for _, name := range []string{"authorize", "token", "codepair"} {
				settings = append(settings, config.Setting{Path: "endpoints." + name, Text: "https://localhost/"})
			}
		}
		file, err := config.Set(path, nil, append(settings, config.Setting{Path: path, Text: text})...)
		if err == nil {
			_, err = config.Parse(path, file, noEnvironment)
		}
		return withoutPlace(err)
	}
}

// withoutPlace is the first problem of a file that nobody has seen yet.
func withoutPlace(err error) error {
	if p, ok := errors.AsType[*config.Problem](err); ok {
		return fmt.Errorf("%s; %s", p.What, p.Cure)
	}
	return err
}

// someClientID is one as good as any where the real one is not known yet.
func someClientID() string { return config.ClientIDPrefix + strings.Repeat("0", 32) }

func noEnvironment(string) string { return "" }
