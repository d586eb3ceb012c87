package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"lwa-agent/agent"
	"lwa-agent/cmd/internal/config"
)

// maxProblems of one kind are shown: the report is one screen.
const maxProblems = 5

func checkConfig(_ context.Context, f *facts) []Finding {
	refused := f.refusedOnBootPartition()
	if f.configErr != nil {
		if problems := problemsOf(f.configErr); len(refused) > 0 && len(problems) == 1 && errors.Is(problems[0], fs.ErrNotExist) && problems[0].Line == 0 {
			return refused // to write another one is not the cure
		}
		return append(refused, configFaults(f)...)
	}
	c := f.cfg
	all := append(refused, ok("client id %s, %s, scopes %s", shortID(c.ClientID), methodName(c.Method), strings.Join(c.Scopes, " ")))
	for _, w := range c.Warnings {
		message, cure, _ := strings.Cut(w, "; ")
		all = append(all, warn(cure, "%s", message))
	}
	if !f.owner.may(f.ConfigPath, 4) {
		all = append(all, fault("sudo chgrp "+f.groupWord(f.owner.gid)+" "+agent.ShellWord(f.ConfigPath)+" && sudo chmod 0640 "+agent.ShellWord(f.ConfigPath),
			"the agent may not read %s", f.ConfigPath))
	}
	return all
}

// refusedOnBootPartition is a configuration that somebody put on the card and that
// is not in use, or only by chance: a unit that failed at boot says so until the next.
func (f *facts) refusedOnBootPartition() []Finding {
	if !f.packaged() || f.units[provisionUnit]["ActiveState"] != "failed" {
		return nil
	}
	w := agent.CardRefused()
	return one(fault(w.Hint, "%s", w.Message))
}

func configFaults(f *facts) (all []Finding) {
	problems := problemsOf(f.configErr)
	if len(problems) == 0 {
		return one(fault("correct it", "%s: %v", f.ConfigPath, f.configErr))
	}
	for i, p := range problems {
		place := p.File
		if p.Line > 0 {
			place = fmt.Sprintf("%s:%d", p.File, p.Line)
		}
		switch {
		case errors.Is(p, fs.ErrNotExist) && p.Line == 0:
			return one(fault("to write one: sudo lwa-agent setup", "there is no %s", p.File))
		case errors.Is(p, fs.ErrPermission) && p.Line == 0:
			return one(unseen(asRoot, "%s: you may not read it", p.File))
		case errors.Is(p, fs.ErrPermission):
			all = append(all, unseen(asRoot, "%s: %s", place, p.What))
		case i == maxProblems:
			return append(all, fault("correct those first", "%s has %d more", p.File, len(problems)-i))
		default:
			all = append(all, fault(p.Cure, "%s: %s", place, p.What))
		}
	}
	return all
}

func methodName(method string) string {
	if method == agent.MethodCBL {
		return "code-based linking"
	}
	return "authorize URL"
}

// shortID is enough of a client id to find it in the console again. A whole one
// lets anybody show people a sign-in page in its name.
func shortID(id string) string {
	hex, is := strings.CutPrefix(id, config.ClientIDPrefix)
	if !is {
		hex = id
	}
	return hex[:min(len(hex), 6)] + "…"
}

// checkSecret says where the client secret comes from, and who else can read it.
func checkSecret(_ context.Context, f *facts) []Finding {
	switch {
	case f.configErr != nil:
		return nil
	case f.secretHidden:
		return one(unseen(asRoot, "only root and the agent may read whether there is a client secret"))
	}
	from, _ := firstReadable(f.Secrets)
	all := f.secretFiles()
	switch c := f.cfg; {
	case c.ClientSecret.IsZero() && c.Method == agent.MethodCode && f.amazon():
		all = append(all, warn(`copy it from "Web settings" in Amazon's console: sudo lwa-agent setup; a key for Android or iOS has none`,
			"there is no client secret, and the authorize URL wants one of a client id from \"Web settings\""))
	case c.ClientSecret.IsZero():
		all = append(all, ok("none, as %s has it", methodName(c.Method)))
	case c.Method == agent.MethodCBL && f.amazon():
		all = append(all, fault(`take a client id from "Other devices and platforms" and remove the secret, or write method = "code"`,
			"there is a client secret, and code-based linking wants a client id that has none"))
	default:
		all = append(all, ok("read from %s", cmp.Or(c.SecretFile, from)))
	}
	return all
}

// secretFiles reports files of the secret that others can read.
func (f *facts) secretFiles() (all []Finding) {
	for _, path := range append(slices.Clip(f.Secrets), f.cfg.SecretFile) {
		st, err := os.Stat(path)
		switch {
		case path == "" || err != nil:
		case st.Mode().Perm()&0o007 != 0 && path != f.cfg.SecretFile: // of that one the configuration warns
			all = append(all, warn("sudo chmod 0600 "+agent.ShellWord(path), "everybody on this device can read %s", path))
		case st.Size() == 0:
			all = append(all, warn("write the client secret there, or remove the file", "%s is empty, so there is no client secret", path))
		}
	}
	text, _ := os.ReadFile(f.ConfigPath) // it was read before
	texts, _ := config.Texts(f.ConfigPath, text)
	if from, _ := firstReadable(f.Secrets); from != "" && texts["client_secret_file"] != "" {
		all = append(all, warn("remove one of them", "there are two client secrets: %s is used, %s is not", from, texts["client_secret_file"]))
	}
	return all
}

// amazon reports whether the endpoints are Amazon's and not of a server of one's own.
func (f *facts) amazon() bool {
	return strings.Contains(f.cfg.Endpoints.Token, "://api.amazon.co")
}

// checkRegister says what must be registered in Amazon's console.
func checkRegister(ctx context.Context, f *facts) []Finding {
	switch {
	case f.configErr != nil:
		return nil
	case f.cfg.Method == agent.MethodCBL:
		return one(ok("nothing has to be registered for code-based linking"))
	}
	return one(f.askSignInPage(ctx))
}
