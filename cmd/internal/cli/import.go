package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"time"

	"lwa-agent/agent"
	"lwa-agent/cmd/internal/movein"
	"lwa-agent/cmd/internal/socket"

	"github.com/spf13/cobra"
)

// importPatience is how long a token's proof may take: a call to Amazon that is
// under way, 30 s at most, and then its own.
const importPatience = 70 * time.Second

func (a *app) importCommand() *cobra.Command {
	var o importOptions
	cmd := &cobra.Command{
		Use:   "import",
		Short: "Takes over the link of another program, from its file",
		Long: `Takes the refresh token of another program over, so that nobody has to sign in
again. It is read from standard input:

  a refresh token alone, or the JSON of Amazon's token endpoint
  AlexaPi's config.yaml, or the creds.py of its predecessor
  respeaker's ~/.avs.json
  AVS Device SDK: AlexaClientSDKConfig.json (before 1.7), or what sqlite3
  prints of its database: sqlite3 cblAuthDelegate.db .dump

The agent must be set up for the client id that the token was given to. It proves
the token by a refresh; only then anything is replaced, and a serial number that
stands in the file is kept. Stop the other program first: where Amazon gives a new
token at each refresh, the two would take it from each other.`,
		Example: `  lwa-agent import < /etc/opt/AlexaPi/config.yaml
  sqlite3 cblAuthDelegate.db .dump | lwa-agent import --serial-number 123456`,
		Args: noArgs(anyFlags),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.takeOver(cmd.Context(), o) },
	}
	cmd.Flags().BoolVar(&o.replace, "replace", false, "replace the link that is there")
	cmd.Flags().StringVar(&o.serial, "serial-number", "", "the `NUMBER` that Amazon knows this device by")
	return cmd
}

type importOptions struct {
	replace bool
	serial  string
}

func (a *app) takeOver(ctx context.Context, o importOptions) error {
	text, err := a.foreignLink(ctx)
	if err != nil {
		return err
	}
	found, err := movein.Parse(text)
	if err != nil {
		return err
	}
	if o.serial != "" {
		found.Serial = o.serial
	}
	body, err := json.Marshal(map[string]any{
		"refresh_token": found.Refresh.Reveal(), "client_id": found.ClientID, "serial_number": found.Serial, "replace": o.replace,
	})
	if err != nil {
		return err
	}
	s := a.socket()
	if _, err := s.AskFor(ctx, importPatience, http.MethodPost, "/import", string(body)); err != nil {
		return a.importError(err, found)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	updates := s.Follow(ctx, reconnectEvery)
	first, err := next(ctx, updates)
	if err != nil || first.Err != nil {
		a.say("linked") // it was, and is saved
		return nil
	}
	a.sayLinked(a.named(ctx, updates, first.Status))
	if found.Serial != "" {
		a.say("serial number: %s, as before", first.Status.SerialNumber)
	}
	return nil
}

// foreignLink reads standard input. What is pasted at a terminal is not shown.
func (a *app) foreignLink(ctx context.Context) ([]byte, error) {
	if isTerminal(a.In) {
		line, err := (&setup{app: a}).prompt(ctx, "Refresh token (not shown): ", true)
		return []byte(line), err
	}
	type result struct {
		text []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		text, err := io.ReadAll(io.LimitReader(a.In, movein.MaxSize+1))
		done <- result{text, err}
	}()
	select {
	case r := <-done:
		switch {
		case r.err != nil:
			return nil, fmt.Errorf("standard input cannot be read: %w", r.err)
		case len(r.text) > movein.MaxSize:
			return nil, errors.New("what was handed in is larger than 1 MiB; hand in the refresh token alone")
		}
		return r.text, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// importError says how to set the agent up for the token, where that is what is
// missing and the file tells.
func (a *app) importError(err error, found movein.Found) error {
	refusal, refused := errors.AsType[*socket.Refusal](err)
	_, missing := os.Stat(a.configPath)
	unconfigured := errors.Is(err, socket.ErrNotRunning) && errors.Is(missing, fs.ErrNotExist)
	if found.ClientID == "" || !unconfigured && (!refused || refusal.Code != "other_client") {
		return err
	}
	message := "the agent is not set up yet"
	if refused {
		message = refusal.Message
	}
	return fmt.Errorf("%s; set it up for the token first: sudo lwa-agent setup%s", message, setupFlags(found))
}

func setupFlags(found movein.Found) string {
	flags := " --tab 1"
	if found.HasSecret {
		flags = " --tab 2"
	}
	flags += " --client-id " + agent.ShellWord(found.ClientID)
	if found.ProductID != "" {
		flags += " --product-id " + agent.ShellWord(found.ProductID)
	}
	return flags
}
