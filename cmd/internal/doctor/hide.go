package doctor

import (
	"os/user"
	"slices"
	"strings"

	"lwa-agent/cmd/internal/config"
)

// hider returns what takes out of a text whatever is not everybody's business.
func (f *facts) hider() func(string) string {
	var pairs []string
	hide := func(word, by string) {
		if len(word) > 3 {
			pairs = append(pairs, word, by)
		}
	}
	if s := f.status; s != nil {
		hide(s.Account, "[account]")
		hide(s.SerialNumber, "[serial number]")
		hide(s.UserCode, "[code]")
		hide(s.AuthorizeURL, "[address]")
		hide(s.LinkPage, "[link page]")
	}
	if f.configErr == nil {
		hide(f.cfg.ClientID, shortID(f.cfg.ClientID))
		hide(f.cfg.ClientSecret.Reveal(), "[secret]")
		hide(f.cfg.Device.ProductID, "[product]")
		hide(f.cfg.Device.SerialNumber, "[serial number]")
	}
	for _, home := range f.homes() {
		hide(home+"/", "~/")
	}
	known := strings.NewReplacer(pairs...)
	return func(text string) string { return withoutTokens(known.Replace(text)) }
}

// homes are of whoever asks, also by sudo, which has root's in HOME.
func (f *facts) homes() (all []string) {
	all = append(all, f.Env("HOME"))
	if u, err := user.Lookup(f.Env("SUDO_USER")); err == nil {
		all = append(all, u.HomeDir)
	}
	return slices.DeleteFunc(all, func(home string) bool { return home == "" || home == "/" || home == "/root" })
}

// withoutTokens hides what has the form of Amazon's, wherever it comes from: a
// configuration with a mistake in it does not say which of its texts is the secret.
func withoutTokens(text string) string {
	for _, begin := range []string{"Atza|", "Atzr|", "Atna|", "Atnr|", "amzn1.oa2-cs.", config.ClientIDPrefix} {
		var kept strings.Builder
		for {
			before, token, found := strings.Cut(text, begin)
			kept.WriteString(before)
			if !found {
				break
			}
			kept.WriteString("[" + strings.TrimRight(begin, ".|") + "…]")
			text = strings.TrimLeft(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=|")
		}
		text = kept.String()
	}
	return text
}
