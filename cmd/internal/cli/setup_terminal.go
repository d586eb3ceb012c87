package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// tries is how often a question is asked that gets wrong answers.
const tries = 3

// question is one that a flag answers as well.
type question struct {
	flag    string
	prompt  string
	enter   string // what no answer means
	needed  bool   // and whether that is none
	hidden  bool   // the answer is a secret
	refuses func(answer string) error
}

// answer returns what a flag says, what somebody types, or what goes without saying.
func (s *setup) answer(ctx context.Context, q question) (string, error) {
	switch {
	case s.given(q.flag): // and was checked
		return s.flag(q.flag), nil
	case !s.terminal && q.needed:
		return "", s.missing(q.flag)
	case !s.terminal:
		return q.enter, nil
	}
	for try := 1; ; try++ {
		text, err := s.prompt(ctx, q.prompt, q.hidden)
		if err != nil {
			return "", err
		}
		if text = unwrapped(text); text == "" {
			text = q.enter
		}
		err = q.refuses(text)
		if err == nil {
			return text, nil
		}
		if try == tries {
			return "", fmt.Errorf("%w; nothing was changed", err)
		}
		s.say("%s", err)
	}
}

// agreed asks for yes or no.
func (s *setup) agreed(ctx context.Context, prompt, enter string) (bool, error) {
	text, err := s.answer(ctx, question{prompt: prompt, enter: enter, refuses: func(answer string) error {
		switch strings.ToLower(answer) {
		case "y", "yes", "n", "no":
			return nil
		}
		return errors.New("y or n?")
	}})
	return strings.HasPrefix(strings.ToLower(text), "y"), err
}

func (s *setup) given(flag string) bool { return flag != "" && s.command.Flags().Changed(flag) }

func (s *setup) flag(name string) string {
	return unwrapped(s.command.Flags().Lookup(name).Value.String())
}

// on reports a flag that is none or one.
func (s *setup) on(flag string) bool {
	set, err := s.command.Flags().GetBool(flag)
	return err == nil && set
}

func (s *setup) missing(flag string) error {
	return &exitError{exitUsage, fmt.Errorf("--%s is missing, and there is no terminal to ask at; see: lwa-agent setup --help", flag)}
}

// unwrapped cuts off what comes along when something is copied.
func unwrapped(text string) string { return strings.Trim(text, " \t\r\n\u00a0\"'“”„‘’`") }

// prompt asks one question, and leaves the terminal as it was however it ends.
// It reads no further than the line, so nothing that was typed ahead is lost.
func (s *setup) prompt(ctx context.Context, prompt string, hidden bool) (string, error) {
	if hidden {
		show, err := hideTyping(s.In)
		if err != nil {
			return "", fmt.Errorf("the terminal would show the secret: %w; give it with --client-secret-file", err)
		}
		defer show()
	}
	fmt.Fprint(s.Out, printable(prompt))
	type line struct {
		text string
		err  error
	}
	typed := make(chan line, 1)
	go func() {
		text, err := readLine(s.In)
		typed <- line{text, err}
	}()
	select {
	case l := <-typed:
		if hidden || l.err != nil { // Enter was not shown either
			fmt.Fprintln(s.Out)
		}
		if l.err != nil {
			return "", fmt.Errorf("there was no answer (%w); nothing was changed", l.err)
		}
		return l.text, nil
	case <-ctx.Done():
		fmt.Fprintln(s.Out)
		s.say("nothing was changed")
		return "", errQuiet
	}
}

// hideTyping turns off the echo of a terminal before anybody can have read the
// prompt; term.ReadPassword does so after it.
func hideTyping(stream io.Reader) (show func(), err error) {
	f, ok := stream.(*os.File)
	if !ok {
		return nil, errors.New("it is none")
	}
	fd := int(f.Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, err
	}
	silent := *before
	silent.Lflag &^= unix.ECHO
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &silent); err != nil {
		return nil, err
	}
	return func() { _ = unix.IoctlSetTermios(fd, unix.TCSETS, before) }, nil // a terminal that hung up shows nothing
}

// readLine reads one line and not a byte more. The end of the input ends a line
// as well, but is no line.
func readLine(in io.Reader) (string, error) {
	var line []byte
	for b := make([]byte, 1); len(line) <= maxCode; {
		n, err := in.Read(b)
		switch {
		case n > 0 && b[0] == '\n':
			return string(line), nil
		case n > 0:
			line = append(line, b[0])
		case errors.Is(err, io.EOF) && len(line) > 0:
			return string(line), nil
		case err != nil:
			return "", err
		}
	}
	return "", errors.New("a line of more than 8 KiB")
}
