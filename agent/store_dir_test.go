package agent

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lwa-agent/lwa"
)

// fullRecord has something in every field; name tells records apart.
func fullRecord(name string) record {
	l := link{
		ClientID: "amzn1.application-oa2-client.test", TokenEndpoint: testToken, Refresh: lwa.NewSecret("Atzr|" + name + `%2B+/="<&>`),
		Scopes: "alexa:all profile", Account: "Åda \"Lovelace\"", Since: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC), Revoked: true,
	}
	candidate := l
	candidate.Refresh = lwa.NewSecret("Atzr|candidate-" + name)
	return record{
		Link: l, Candidate: candidate, Relinking: true,
		Attempts: [2]lwa.Attempt{
			{State: "state-1-" + name, Verifier: lwa.NewSecret("verifier-1-" + name), RedirectURI: "https://localhost:9745/authresponse"},
			{State: "state-2-" + name, Verifier: lwa.NewSecret("verifier-2-" + name), RedirectURI: "https://localhost:9745/other"},
		},
		Pair:  pair{Pair: testPair(name), BootID: "boot-1", Expires: 90 * time.Hour},
		Codes: []string{"hash-1-" + name, "hash-2-" + name}, ConfigCode: "hash-3-" + name,
	}
}

// stateDir is a state directory of a test.
type stateDir struct {
	t    *testing.T
	path string
}

func newStateDir(t *testing.T) stateDir { return stateDir{t, filepath.Join(t.TempDir(), "state")} }

// open opens it as an agent does; with the test it is closed.
func (d stateDir) open() *store {
	d.t.Helper()
	s, err := onceUnlocked(func() (*store, error) { return openStore(d.path, kernel{}) })
	if err != nil {
		d.t.Fatalf("open the state directory: %v", err)
	}
	d.t.Cleanup(func() { s.close() }) // again is an error of no interest
	return s
}

// onceUnlocked opens again while the directory is locked: a process that
// another test starts holds a copy of each open file, from its fork to its exec.
func onceUnlocked[T any](open func() (T, error)) (opened T, err error) {
	for range 1000 {
		opened, err = open()
		if !errors.Is(err, errLocked) {
			break
		}
		_ = unix.Nanosleep(&unix.Timespec{Nsec: 1e6}, nil) // of real time, in a bubble, too
	}
	return opened, err
}

func newAgent(cfg Config) (*Agent, error) {
	return onceUnlocked(func() (*Agent, error) { return New(cfg) })
}

// load is what an agent finds that starts now.
func (d stateDir) load() (record, error) {
	d.t.Helper()
	s := d.open()
	defer s.close()
	return s.load()
}

func (d stateDir) save(records ...record) {
	d.t.Helper()
	s := d.open()
	defer s.close()
	if _, err := s.load(); err != nil {
		d.t.Fatal(err)
	}
	for _, r := range records {
		must(d.t, s.save(r))
	}
}

func (d stateDir) file(name string) string { return filepath.Join(d.path, name) }

func (d stateDir) read(name string) []byte {
	d.t.Helper()
	text, err := os.ReadFile(d.file(name))
	must(d.t, err)
	return text
}

// holding lists the files in which text stands.
func (d stateDir) holding(text string) (names []string) {
	d.t.Helper()
	must(d.t, filepath.WalkDir(d.path, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		bytesOf, err := os.ReadFile(path)
		if bytes.Contains(bytesOf, []byte(text)) {
			names = append(names, filepath.Base(path))
		}
		return err
	}))
	return names
}

func (d stateDir) serial() string {
	d.t.Helper()
	s := d.open()
	defer s.close()
	serial, err := s.serial()
	if err != nil || len(serial) != 16 || strings.Trim(serial, "0123456789abcdef") != "" {
		d.t.Fatalf("serial number %q, %v; want 16 hexadecimal digits", serial, err)
	}
	return serial
}

func wantRecord(t *testing.T, got, want record, why string) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s: the record is of %q, want of %q (state %q, %q)", why, got.Link.Refresh.Hash(), want.Link.Refresh.Hash(), got.Attempts[0].State, want.Attempts[0].State)
	}
}
