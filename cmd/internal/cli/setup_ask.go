package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"lwa-agent/agent"
	"lwa-agent/cmd/internal/config"
	"lwa-agent/lwa"
)

// Tabs of a security profile in Amazon's console; they make different clients.
const (
	tabDevices = "1"
	tabWeb     = "2"
)

const consoleAddress = "https://developer.amazon.com/loginwithamazon/console/site/lwa/overview.html"

// ask gets all answers. Nothing is written before the last one.
func (s *setup) ask(ctx context.Context) error {
	for _, next := range []func(context.Context) error{
		s.askReplace, s.askTab, s.askClientID, s.askSecret, s.askRedirect, s.askProduct, s.askDisplay, s.askUser,
	} {
		if err := next(ctx); err != nil {
			return err
		}
	}
	if s.given("region") {
		s.set("region", s.flag("region"))
	}
	return nil
}

func (s *setup) set(path, text string) {
	s.settings = append(s.settings, config.Setting{Path: path, Text: text})
}

func (s *setup) askReplace(ctx context.Context) error {
	switch {
	case s.texts["client_id"] == "", s.on("yes"):
		return nil
	case !s.terminal:
		return s.missing("yes")
	}
	s.say("%s is there already, with the client id", s.path)
	s.say("  %s", s.texts["client_id"])
	s.say("Its other settings stay, and a copy of it as %s.", oldName(s.path))
	s.say("To change one thing, the secret, say: y, then Enter for all that is right.")
	replace, err := s.agreed(ctx, "Change it? [y/N] ", "n")
	if err == nil && !replace {
		s.say("nothing was changed; to link with it: lwa-agent %slink", s.configFlag())
		return errQuiet
	}
	return err
}

func (s *setup) askTab(ctx context.Context) error {
	enter := tabDevices
	before := s.texts["method"]
	if before == agent.MethodCode || before == "" && s.hasSecret() {
		enter = tabWeb
	}
	if s.given("client-secret-file") || s.given("redirect-uri") {
		s.tab = tabWeb // nothing else can be meant
	} else {
		if s.terminal && !s.given("tab") {
			s.say("In which tab of Amazon's console is the client id made?")
			s.say("  1  Other devices and platforms (recommended): one text to copy; after signing")
			s.say("     in there is nothing to bring back")
			s.say("  2  Web settings: needs a client secret and a return URL; after signing in an")
			s.say("     address has to be brought back to this device")
		}
		var err error
		s.tab, err = s.answer(ctx, question{flag: "tab", prompt: "1 or 2 [" + enter + "]: ", enter: enter, needed: before == "", refuses: func(answer string) error {
			if answer != tabDevices && answer != tabWeb {
				return errors.New("type 1 or 2")
			}
			return nil
		}})
		if err != nil {
			return err
		}
	}
	method := agent.MethodCBL
	if s.tab == tabWeb {
		method = agent.MethodCode
	}
	s.set("method", method)
	// What else is wrong with the file is said before more is typed.
	id := config.Setting{Path: "client_id", Text: someClientID()}
	err := s.faultBefore(id)
	if err != nil && s.texts["device.product_id"] == "" { // which scopes may want, and is asked for
		if s.faultBefore(id, config.Setting{Path: "device.product_id", Text: "x"}) == nil {
			return nil
		}
	}
	return err
}

func (s *setup) askClientID(ctx context.Context) error {
	if s.terminal && !s.given("client-id") {
		s.sayConsole()
	}
	before := s.texts["client_id"]
	prompt := "Client id: "
	if before != "" {
		prompt = "Client id [" + before + "]: "
	}
	id, err := s.answer(ctx, question{flag: "client-id", prompt: prompt, enter: before, needed: before == "", refuses: s.refusesClientID})
	if err == nil {
		s.set("client_id", id)
	}
	return err
}

// refusesClientID: the two texts stand side by side in Amazon's console. That the
// secret was meant to be somewhere in a file is of no help to who pastes it here.
func (s *setup) refusesClientID(answer string) error {
	if strings.HasPrefix(answer, "amzn1.oa2-cs.") {
		return fmt.Errorf("that is the client secret; what begins with %s is the client id", config.ClientIDPrefix)
	}
	return s.refuses("client_id")(answer)
}

// sayConsole says what to do at Amazon, with the texts to paste there.
func (s *setup) sayConsole() {
	s.say("")
	switch {
	case s.ownServer() && s.tab == tabWeb:
		s.say("The [endpoints] in %s stay: register the return URL", s.path)
		s.say("     %s", s.redirect())
		s.say("at that server.")
	case s.ownServer():
		s.say("The [endpoints] in %s stay: enter a client id of that server.", s.path)
	case s.tab == tabDevices:
		s.sayWhere()
		s.say(`  2. Tab "Other devices and platforms", which may be called "TVs and Other`)
		s.say(`     Devices Settings": enter a name, any, and press the button.`)
		s.say("  3. Copy the client id.")
	default:
		s.sayWhere()
		s.say(`  2. Tab "Web settings", "Allowed Return URLs": paste exactly this, and save:`)
		s.say("     %s", s.redirect())
		s.say("  3. Copy the client id and the client secret.")
	}
	s.say("")
}

func (s *setup) sayWhere() {
	s.say(`Sign in at developer.amazon.com, "Login with Amazon":`)
	s.say("     %s", consoleAddress)
	s.say("  1. Open your security profile (the gear), or create one: that wants a name,")
	s.say("     which people see as they sign in, a description, and the address of a")
	s.say("     privacy notice, any page of yours.")
}

func (s *setup) askSecret(ctx context.Context) error {
	if s.tab != tabWeb || !s.secret.IsZero() {
		return nil
	}
	// That of another client would be of no use.
	keeps := s.hasSecret() && s.setting("client_id") == s.texts["client_id"]
	q := question{prompt: "Client secret (not shown): ", hidden: true, needed: true, refuses: refusesSecret}
	if keeps {
		q.prompt, q.needed = "Client secret (not shown) [the one there is]: ", false
		q.refuses = func(answer string) error {
			if answer == "" {
				return nil
			}
			return refusesSecret(answer)
		}
	}
	if !s.terminal && q.needed {
		return s.missing("client-secret-file")
	}
	text, err := s.answer(ctx, q)
	s.secret, s.keepsFile = lwa.NewSecret(text), text == ""
	return err
}

func (s *setup) redirect() string {
	if s.given("redirect-uri") {
		return s.flag("redirect-uri")
	}
	return cmp.Or(s.texts["redirect_uri"], config.DefaultRedirect)
}

func (s *setup) askRedirect(ctx context.Context) error {
	if s.tab != tabWeb {
		return nil
	}
	enter := s.redirect()
	uri, err := s.answer(ctx, question{flag: "redirect-uri", prompt: "Return URL [" + enter + "]: ", enter: enter, refuses: s.refuses("redirect_uri")})
	if uri == config.DefaultRedirect && s.texts["redirect_uri"] == "" {
		uri = "" // which means the same
	}
	s.set("redirect_uri", uri)
	return err
}

func (s *setup) askProduct(ctx context.Context) error {
	before := s.texts["device.product_id"]
	prompt := "Product id, if this is an Alexa product (else Enter): "
	if before != "" {
		prompt = "Product id of the Alexa product [" + before + "]: "
	}
	id, err := s.answer(ctx, question{flag: "product-id", prompt: prompt, enter: before, refuses: func(answer string) error {
		if err := s.refuses("device.product_id")(answer); err != nil {
			return err
		}
		_, err := s.parsed("", config.Setting{Path: "device.product_id", Text: answer}) // scopes may want one
		return withoutPlace(err)
	}})
	s.set("device.product_id", id)
	return err
}

func (s *setup) askUser(ctx context.Context) error {
	if s.given("user") {
		s.user = s.flag("user")
		return nil
	}
	name := s.Env("SUDO_USER")
	if s.on("no-user") || !s.terminal || mayJoin(name) != nil || isMember(name) {
		return nil
	}
	joins, err := s.agreed(ctx, fmt.Sprintf("Let %s use the agent, by joining the group %s? [Y/n] ", name, agentGroup), "y")
	if joins {
		s.user = name
	}
	return err
}

// setting returns what was answered for path.
func (s *setup) setting(path string) string {
	for _, set := range s.settings {
		if set.Path == path {
			return set.Text
		}
	}
	return ""
}
