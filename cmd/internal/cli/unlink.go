package cli

import (
	"net/http"

	"github.com/spf13/cobra"
)

func (a *app) unlinkCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "unlink",
		Short: "Forgets the tokens; says where to remove the app at Amazon",
		Args:  noArgs(anyFlags),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := a.socket().Ask(cmd.Context(), http.MethodPost, "/unlink", ""); err != nil {
				return err
			}
			a.say("unlinked: this device has forgotten its tokens")
			a.say("Amazon lists it until the account's owner removes it there, on the page")
			a.say(`"Login with Amazon": https://www.amazon.com/ap/adam`)
			return nil
		},
	}
}
