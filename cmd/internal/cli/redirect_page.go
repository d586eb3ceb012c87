package cli

import (
	_ "embed" // for the page
	"io"

	"github.com/spf13/cobra"
)

//go:embed redirect-page.html
var redirectPage string

func (a *app) redirectPageCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "redirect-page",
		Short: "Prints a web page that brings the sign-in back to any device",
		Long: `Prints one self-contained web page. Amazon sends the browser to it after the
sign-in, and it takes the answer to the device that showed the QR code, so that
linking finishes on the phone. One page serves all devices:

  1. Host it anywhere with https, as it is: its Content-Security-Policy fits no
     other text. It needs no server of its own, sets no cookie, and loads and
     sends nothing.
  2. Register its address, character for character, under Allowed Return URLs in
     the Web settings of the security profile.
  3. On each device, in config.toml:

         redirect_uri = "https://…"      # its address

         [link_page]
         listen = ":9744"

It goes to addresses on a local network alone, shows them first, and where the
phone can't reach the device it shows what to copy. The host sees codes go by,
but they are of no use without the secret that stays on the device (PKCE).`,
		Example: "  lwa-agent redirect-page > index.html",
		Args:    noArgs(anyFlags),
		RunE: func(*cobra.Command, []string) error {
			_, err := io.WriteString(a.Out, redirectPage)
			return err
		},
	}
}
