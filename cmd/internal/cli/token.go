package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) tokenCommand() *cobra.Command {
	var minValid time.Duration
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Prints the access token and nothing else",
		Long: `Prints the access token and nothing else, for $(…).

With less than --min-valid of its life left, a new one is asked for and waited
for, 5 seconds at most; then what is still valid is printed. A token that lives
shorter than that counts as good for half its life.

Exit status 3: the device is not linked. 1: there is no valid token now.`,
		Example: `  curl -H "Authorization: Bearer $(lwa-agent token)" https://api.amazon.com/user/profile`,
		Args: noArgs(func() error {
			if minValid < 0 {
				return fmt.Errorf("--min-valid %s is negative", minValid)
			}
			return nil
		}),
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := a.socket().call(cmd.Context(), http.MethodGet, "/token?min_valid="+minValid.String(), "")
			if err != nil {
				return tokenError(err)
			}
			var answer struct {
				Token string `json:"access_token"`
			}
			if err := json.Unmarshal(text, &answer); err != nil || answer.Token == "" {
				return errors.New("the agent's answer holds no token; see: systemctl status lwa-agent")
			}
			_, err = fmt.Fprintln(a.Out, answer.Token)
			return err
		},
	}
	cmd.Flags().DurationVar(&minValid, "min-valid", time.Minute, "how long it must still be valid")
	return cmd
}

func tokenError(err error) error {
	e, ok := errors.AsType[*answerError](err)
	switch {
	case !ok:
		return err
	case e.status == http.StatusConflict:
		return &exitError{exitNotLinked, fmt.Errorf("%s; link it with: lwa-agent link", e.message)}
	case e.retryAfter != "":
		return fmt.Errorf("%w (try again in %s s)", err, e.retryAfter)
	}
	return err
}

// noArgs accepts no arguments, and flags that check accepts.
func noArgs(check func() error) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			return fmt.Errorf("unexpected argument %q", args[0])
		}
		return check()
	}
}

func anyFlags() error { return nil }
