// Package config reads lwa-agent's configuration file, TOML 1.0. It promises
// that a mistake stops nothing silently: every problem of a file is reported at
// once, with its line and its cure.
package config

import (
	_ "embed" // for the example
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"lwa-agent/agent"
	"lwa-agent/display/panel"
	"lwa-agent/lwa"

	"github.com/pelletier/go-toml/v2"
)

// Example is a configuration file with every setting, its default and a sentence.
//
//go:embed config.example.toml
var Example string

// DefaultPath is where the configuration is, unless --config says otherwise.
const DefaultPath = "/etc/lwa-agent/config.toml"

// DefaultRedirect is the redirect URI, unless the configuration says otherwise.
const DefaultRedirect = "https://localhost:9745/authresponse"

// MaxSize bounds a configuration file, and one of a client secret, in bytes.
const MaxSize = 64 << 10

const (
	defaultRuntimeDir = "/run/lwa-agent"
	defaultStateDir   = "/var/lib/lwa-agent"
	defaultInbox      = "/var/spool/lwa-agent/"
	defaultSpread     = 30 * time.Second
	defaultTokenMode  = 0o640
)

// Config is a whole and valid configuration: every default is filled in.
type Config struct {
	ClientID     string
	ClientSecret lwa.Secret // zero for a public client
	SecretFile   string     // client_secret_file where ClientSecret comes from it, so that a change is noticed
	Scopes       []string
	RedirectURI  string
	Method       string // agent.MethodCode or agent.MethodCBL
	StateDir     string
	RuntimeDir   string
	Code         lwa.Secret // a code, or a whole redirect address, as it stands in the file
	Device       Device
	Inbox        []string      // where codes may be dropped: absolute; with a slash at the end a directory, else one file
	BootSpread   time.Duration // after a boot, the first refresh waits a random part of this; 0 to 24 h
	LinkPage     LinkPage
	Displays     []panel.Config
	TokenFiles   []agent.TokenFile
	Access       []agent.Access
	Endpoints    lwa.Endpoints // those of [endpoints] where one is set there, else those of the region

	// Warnings are things that work and that somebody should still hear about:
	// one line each, in the form of a Problem.
	Warnings []string
}

// Device is what Amazon is told about this device, with the scope alexa:all.
type Device struct {
	ProductID    string
	SerialNumber string // empty: the agent makes one and keeps it
}

// LinkPage is the page on the local network.
type LinkPage struct {
	Listen            string // "host:port", the host mostly empty; empty: there is no page
	CertFile, KeyFile string // absolute; both or none
}

// Env looks up an environment variable, "" where it is not set; os.Getenv is one.
type Env func(name string) string

// Problem is one thing that is wrong with a configuration file.
type Problem struct {
	File string
	Line int    // from 1; 0 when it is not about a line
	What string // what is wrong
	Cure string // what to do
	Err  error  // what the system said, where it was the system that refused; else nil
}

// Unwrap returns Err, so that a file that only others may read can be told from
// one that is not there.
func (p *Problem) Unwrap() error { return p.Err }

// Error returns "FILE:LINE: what is wrong; what to do", on one line.
func (p *Problem) Error() string {
	if p.Line == 0 {
		return fmt.Sprintf("%s: %s; %s", p.File, p.What, p.Cure)
	}
	return fmt.Sprintf("%s:%d: %s; %s", p.File, p.Line, p.What, p.Cure)
}

// Load reads the configuration file path for the daemon. Its error joins a
// *Problem for each thing that is wrong, in the order of their lines; beside it
// only SecretFile is set, since that file may be what has to change.
func Load(path string, env Env) (Config, error) {
	text, err := readRegular(path)
	if err != nil {
		return Config{}, unreadable(path, err)
	}
	return Parse(path, text, env)
}

// Parse is Load for a text that is already read; name is what problems call
// it. It looks at the file of the client secret.
func Parse(name string, text []byte, env Env) (Config, error) {
	text = trimBOM(text)
	r, problem := newReader(name, text)
	if problem != nil {
		return Config{}, problem
	}
	r.unknown()
	c := r.config(env)
	if err := r.err(); err != nil {
		return Config{SecretFile: c.SecretFile}, err
	}
	return c, nil
}

// Check reports what is wrong with the text of a configuration file for a client
// with this secret, zero for a public client, wherever the secret comes from. name
// is what problems call the file. The warnings are of a text that is good.
func Check(name string, text []byte, secret lwa.Secret, env Env) (c Config, err error) {
	text = trimBOM(text)
	r, problem := newReader(name, text)
	if problem != nil {
		return Config{}, problem
	}
	r.unknown()
	r.given = &secret
	c = r.config(env)
	return c, r.err()
}

// Secret returns the client secret that text holds, which must be one word; name
// is what a problem calls the text.
func Secret(name string, text []byte) (lwa.Secret, error) {
	r := reader{file: name, bad: map[string]bool{}}
	secret := r.secret(name, text)
	if err := r.err(); err != nil {
		return lwa.Secret{}, err
	}
	return secret, nil
}

// LoadDisplays reads only the displays of the configuration file path, for the
// process that draws: it must not see the client secret, and nothing else in the
// file concerns it. Its error joins a *Problem for each thing that is wrong with
// the displays; the others are returned beside it.
func LoadDisplays(path string) ([]panel.Config, error) {
	text, err := readRegular(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	r, problem := newReader(path, trimBOM(text))
	if problem != nil {
		return nil, problem
	}
	r.unknownOfDisplays()
	all := r.displays()
	return slices.DeleteFunc(all, func(d panel.Config) bool { return d.Driver == "" }), r.err()
}

// RuntimeDir returns the directory of the agent's sockets according to the
// configuration file path, for the commands that only want to talk to the
// agent: a faulty, missing or unreadable file gives the default. It never looks
// at the environment, which is another program's as often as not.
func RuntimeDir(path string) string {
	text, err := readRegular(path)
	if err != nil {
		return defaultRuntimeDir
	}
	return runtimeDir(text)
}

func runtimeDir(text []byte) string {
	var top struct {
		RuntimeDir any `toml:"runtime_dir"`
	}
	text = trimBOM(text)
	if err := toml.Unmarshal(text, &top); err != nil {
		// The line may still be good where another is not.
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(strings.TrimSpace(line), "[") {
				break
			}
			if strings.Contains(line, "runtime_dir") && toml.Unmarshal([]byte(line), &top) == nil && top.RuntimeDir != nil {
				break
			}
		}
	}
	if dir, ok := top.RuntimeDir.(string); ok && filepath.IsAbs(dir) && !hasControl(dir) {
		return filepath.Clean(dir)
	}
	return defaultRuntimeDir
}

// readRegular reads a file of at most MaxSize bytes. Anything but a regular
// file is refused before it is opened: a FIFO would be waited for, for ever.
func readRegular(path string) ([]byte, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, errNotRegular
	}
	if st.Size() > MaxSize {
		return nil, errTooLarge
	}
	return os.ReadFile(path)
}

var (
	errNotRegular = errors.New("it is no regular file")
	errTooLarge   = errors.New("it is larger than 64 KiB")
)

func unreadable(path string, err error) *Problem {
	return &Problem{File: path, What: "the configuration cannot be read: " + reason(err), Cure: cureOfRead(path, err, "write it, with client_id at least"), Err: err}
}

// reason is err without the path, which the message has already.
func reason(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return err.Error()
}

func cureOfRead(path string, err error, missing string) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return missing
	case errors.Is(err, fs.ErrPermission):
		return "let the agent's group read it: chgrp lwa-agent " + path + " && chmod 0640 " + path
	default:
		return "put a readable text file there"
	}
}

// trimBOM removes the mark that Windows' Notepad puts before a text.
func trimBOM(text []byte) []byte {
	const bom = "\ufeff"
	if len(text) >= len(bom) && string(text[:len(bom)]) == bom {
		return text[len(bom):]
	}
	return text
}
