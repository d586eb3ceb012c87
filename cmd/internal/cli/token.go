package cli

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"lwa-agent/cmd/internal/socket"

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
			token, err := a.socket().Token(cmd.Context(), minValid)
			if err != nil {
				return tokenError(err)
			}
			_, err = fmt.Fprintln(a.Out, token)
			return err
		},
	}
	cmd.Flags().DurationVar(&minValid, "min-valid", time.Minute, "how long it must still be valid")
	return cmd
}

func tokenError(err error) error {
	e, ok := errors.AsType[*socket.Refusal](err)
	switch {
	case !ok:
		return err
	case e.Status == http.StatusConflict:
		return &exitError{exitNotLinked, fmt.Errorf("%s; link it with: lwa-agent link", e.Message)}
	case e.RetryAfter != "":
		return fmt.Errorf("%w (try again in %s s)", err, e.RetryAfter)
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
