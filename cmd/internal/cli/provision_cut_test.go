package cli

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPowerCutAtAnyPointIsMadeUpForAtTheNextBoot has the files as each step leaves
// them.
func TestPowerCutAtAnyPointIsMadeUpForAtTheNextBoot(t *testing.T) {
	for name, cut := range map[string]struct {
		config, credential string // on the device; empty: not there
		toml, secret       string // on the card
	}{
		"before the first":               {"", "", firstClient, clientSecret},
		"after the secret":               {"", clientSecret + "\n", firstClient, clientSecret},
		"after the configuration":        {firstClient, clientSecret + "\n", firstClient, clientSecret},
		"after the secret's overwriting": {firstClient, clientSecret + "\n", firstClient, strings.Repeat("\x00", len(clientSecret))},
		"after the secret's removal":     {firstClient, clientSecret + "\n", firstClient, ""},
		"all but the report":             {firstClient, clientSecret + "\n", "", ""},
	} {
		c := newCard(t)
		config, credential := c.at()
		for path, text := range map[string]string{
			config: cut.config, credential: cut.credential,
			filepath.Join(c.boot, provisionedConfig): cut.toml, filepath.Join(c.boot, provisionedSecret): cut.secret,
		} {
			if text == "" {
				continue
			}
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.start(); err != nil {
			t.Errorf("%s: %v; the card would be reported as bad at each boot", name, err)
		}
		if c.read(config) != firstClient || c.read(credential) != clientSecret+"\n" {
			t.Errorf("%s: the configuration is %q, the secret %d bytes", name, c.read(config), len(c.read(credential)))
		}
		if left := c.onCard(); strings.Contains(left, provisionedConfig) || strings.Contains(left, provisionedSecret) {
			t.Errorf("%s: on the card are %s", name, left)
		}
	}
}

func TestDeviceThatCannotTakeAllTakesNothing(t *testing.T) {
	c := newCard(t)
	config, credential := c.at()
	c.put(provisionedConfig, firstClient)
	c.put(provisionedSecret, clientSecret)
	if err := c.start(); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(config+".old/in the way", 0o755); err != nil {
		t.Fatal(err)
	}
	c.put(provisionedConfig, secondClient)
	c.put(provisionedSecret, "another")
	if err := c.start(); err == nil || !strings.Contains(err.Error(), "; nothing was changed") {
		t.Errorf("%v; want that nothing was changed", err)
	}
	if c.read(config) != firstClient || c.read(credential) != clientSecret+"\n" {
		t.Errorf("the configuration is %q, with a secret of %d bytes: Amazon would refuse one with the other", c.read(config), len(c.read(credential)))
	}
	if left, err := filepath.Glob(filepath.Join(c.etc, "*/.*")); err != nil || len(left) > 0 {
		t.Errorf("left behind are %q, %v", left, err)
	}
}

func TestConfigurationOfBeforeIsKeptForTheSameEyes(t *testing.T) {
	c := newCard(t)
	config, _ := c.at()
	if err := errors.Join(os.Mkdir(filepath.Dir(config), 0o755), os.WriteFile(config, []byte(secondClient), 0o640)); err != nil {
		t.Fatal(err)
	}
	c.put(provisionedConfig, firstClient)
	if err := c.start(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(config + ".old"); err != nil || info.Mode() != 0o640 {
		t.Errorf("%v, %v; want the mode of before, 0640", info.Mode(), err)
	}
}
