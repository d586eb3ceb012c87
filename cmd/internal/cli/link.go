package cli

import (
	"context"
	"errors"
	"net/http"

	"lwa-agent/agent"
	"lwa-agent/cmd/internal/socket"

	"github.com/spf13/cobra"
)

func (a *app) linkCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "link",
		Short: "Shows the QR code in this terminal and waits until linked",
		Long: `Shows the address and, where the terminal is large enough, a QR code to link this
device; takes a pasted code or address; ends by itself once the device is linked.
It works over SSH. Ctrl-C leaves, and the device stays ready to be linked.`,
		Args: noArgs(anyFlags),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.link(cmd.Context()) },
	}
}

func (a *app) relinkCommand() *cobra.Command {
	var cancel bool
	cmd := &cobra.Command{
		Use:   "relink",
		Short: "Offers a new link while the old one stays in use",
		Long: `Offers a new link while the old one stays in use until the new one is proven, for
another account, say. In a terminal it goes on like "lwa-agent link".`,
		Args: noArgs(anyFlags),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cancel {
				return a.relink(cmd.Context())
			}
			if _, err := a.socket().Ask(cmd.Context(), http.MethodDelete, "/relink", ""); err != nil {
				return err
			}
			a.say("no new link is offered; the old one stays in use")
			return nil
		},
	}
	cmd.Flags().BoolVar(&cancel, "cancel", false, "withdraw the offer")
	return cmd
}

func (a *app) link(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := a.socket()
	updates := s.Follow(ctx, reconnectEvery)
	first, err := next(ctx, updates)
	if err := errors.Join(err, first.Err); err != nil {
		return err
	}
	if st := first.Status; st.State == agent.Linked && !socket.Offers(st) {
		a.say("already linked%s; for another account: lwa-agent relink", toWhom(st))
		return nil
	}
	// Somebody is here, so a device that gave up for the day offers a code now.
	if _, err := s.Ask(ctx, http.MethodPost, "/attend", ""); err != nil {
		return err
	}
	l := a.session(s, first.Status)
	l.problem = nil // so that it is said
	if at := first.Status.NextLinkAt; at != nil {
		l.shown = at.String() // no news to somebody who has just asked for one
	}
	if done, err := l.see(ctx, updates, first.Status); done {
		return err
	}
	return l.run(ctx, updates)
}

func (a *app) relink(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := a.socket()
	updates := s.Follow(ctx, reconnectEvery)
	first, err := next(ctx, updates)
	if err := errors.Join(err, first.Err); err != nil {
		return err
	}
	if _, err := s.Ask(ctx, http.MethodPost, "/relink", ""); err != nil {
		return err
	}
	l := a.session(s, first.Status)
	offered := first.Status.State != agent.Linked && socket.Offers(first.Status) // and stays as it is, so no news will come of it
	switch {
	case offered && isTerminal(a.Out):
		if done, err := l.see(ctx, updates, first.Status); done {
			return err
		}
	case offered:
		l.offer(first.Status, 1)
		return nil
	case !isTerminal(a.Out):
		return l.printOffer(ctx, updates)
	}
	return l.run(ctx, updates)
}

// toWhom is " to the account of …" where that is known.
func toWhom(s agent.Status) string {
	if s.Account == "" {
		return ""
	}
	return " to the account of " + s.Account
}
