package agent

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"lwa-agent/lwa"
)

// TokenFile is a file in which other programs find the access token, and beside
// it, in one of the name with ExpiresSuffix, until when that is good.
type TokenFile struct {
	Path  string
	Mode  os.FileMode // of both
	Group string      // of both; empty: the agent's
}

// ExpiresSuffix is added to a token file's name for the file that says when the
// token ends, in RFC 3339 and UTC. That file is written second: who reads it
// between the two is told that the new token ends when the old one did, and comes
// again early, but never that a token is good for longer than it is.
const ExpiresSuffix = ".expires"

// keepAccess leaves the token for a restarted agent and in the token files,
// or removes it there.
func (a *Agent) keepAccess(acc access) event {
	var err error
	if a.cfg.RuntimeDir != "" && a.cfg.BootID != "" {
		err = a.keepForRestart(acc)
	}
	a.toldEnd = a.wallEnd(acc)
	for _, f := range a.cfg.TokenFiles {
		err = errors.Join(err, f.write(acc.Token, a.toldEnd))
	}
	return asAccessKept(err)
}

func asAccessKept(err error) event {
	if err == nil {
		return accessKept{}
	}
	return accessKept{strings.ReplaceAll(err.Error(), "\n", "; ")}
}

// wallEnd is when the token ends by the wall clock; zero without a token.
func (a *Agent) wallEnd(acc access) time.Time {
	if acc.Token.IsZero() {
		return time.Time{}
	}
	return bootTime(a.cfg.Uptime()).Add(acc.Expires)
}

// followClock writes the ends of the token files anew when the clock was set: they
// are the only times of ours that programs compare with it. The tokens stay as they
// are, since a file that is written is news to who watches it.
func (a *Agent) followClock() {
	end := a.wallEnd(a.m.access)
	if len(a.cfg.TokenFiles) == 0 || end.IsZero() || end.Sub(a.toldEnd).Abs() < 2*time.Second {
		return
	}
	a.toldEnd = end
	var err error
	for _, f := range a.cfg.TokenFiles {
		err = errors.Join(err, f.writeEnd(end))
	}
	a.handle(asAccessKept(err))
}

// dropTokenFiles removes the token files that are not configured any more.
func (a *Agent) dropTokenFiles(kept []TokenFile) {
	for _, f := range a.cfg.TokenFiles {
		if slices.ContainsFunc(kept, func(k TokenFile) bool { return k.Path == f.Path }) {
			continue
		}
		if err := f.write(lwa.Secret{}, time.Time{}); err != nil {
			a.cfg.Log.Error("cannot remove a token file", "error", err)
		}
	}
}

// write puts the token there, and beside it when it ends. Where the token cannot be
// written the end goes as well: the file may hold an older one.
func (f TokenFile) write(token lwa.Secret, end time.Time) error {
	if err := f.writeToken(token); err != nil {
		return errors.Join(err, f.writeEnd(time.Time{}))
	}
	return f.writeEnd(end)
}

func (f TokenFile) writeToken(token lwa.Secret) error {
	if token.IsZero() {
		return removeFile(f.Path)
	}
	return f.replace(f.Path, token.Reveal()+"\n")
}

func (f TokenFile) writeEnd(end time.Time) error {
	path := f.Path + ExpiresSuffix
	if end.IsZero() {
		return removeFile(path)
	}
	return f.replace(path, end.UTC().Truncate(time.Second).Format(time.RFC3339)+"\n") // early rather than late
}

func (f TokenFile) replace(path, text string) error {
	gid := -1
	if f.Group != "" {
		var err error
		if gid, err = groupID(f.Group); err != nil {
			return fmt.Errorf("token_file %s: %w", f.Path, err)
		}
	}
	if err := replaceFile(path, []byte(text), f.Mode, gid); err != nil {
		return fmt.Errorf("token_file: %w", err)
	}
	return nil
}
