package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"lwa-agent/agent"
)

func (r *reader) tokenFiles() []agent.TokenFile {
	var all []agent.TokenFile
	for i := range r.count["token_file"] {
		at := fmt.Sprintf("token_file[%d].", i)
		f := agent.TokenFile{Path: r.text(at + "path"), Mode: r.mode(at + "mode"), Group: r.text(at + "group")}
		switch {
		case f.Path == "":
			r.missing(at+"path", "a [[token_file]] has no path", `write one, as in path = "/run/lwa-agent/access_token"`)
		case !filepath.IsAbs(f.Path) || strings.HasSuffix(f.Path, "/"):
			r.fault(at+"path", fmt.Sprintf("the token file %q is not an absolute path of a file", f.Path), "write the whole path, from the first / to the file's name")
		case slices.ContainsFunc(all, func(g agent.TokenFile) bool { return g.Path == f.Path }):
			r.fault(at+"path", fmt.Sprintf("the token file %q is there twice", f.Path), "remove one")
		case slices.ContainsFunc(all, func(g agent.TokenFile) bool {
			return g.Path == f.Path+agent.ExpiresSuffix || f.Path == g.Path+agent.ExpiresSuffix
		}):
			r.fault(at+"path", fmt.Sprintf("the token file %q has the name of another's expiry", f.Path), "take another name: beside each token file is one that ends in "+agent.ExpiresSuffix)
		}
		if f.Mode&0o007 != 0 {
			r.warn(at+"mode", fmt.Sprintf("the token file %s is open to everybody on this device", f.Path), `write mode = "0640" and a group`)
		}
		all = append(all, f)
	}
	return all
}

// tokenFilesApart reports token files that would take the place of another file,
// or be taken for a code.
func (r *reader) tokenFilesApart(c Config) {
	for i, f := range c.TokenFiles {
		path, what := filepath.Clean(f.Path), ""
		switch {
		case !filepath.IsAbs(f.Path):
			continue // and reported
		case agent.IsOwnFile(path, c.StateDir, c.RuntimeDir):
			what = "is a file of the agent's own"
		case path == r.file || path == c.SecretFile:
			what = "is the configuration or the client secret"
		case slices.ContainsFunc(c.Inbox, func(in string) bool {
			return path == filepath.Clean(in) || strings.HasSuffix(in, "/") && filepath.Dir(path) == filepath.Clean(in)
		}):
			what = "is in an inbox, where it would be taken for a code"
		default:
			continue
		}
		r.fault(fmt.Sprintf("token_file[%d].path", i), fmt.Sprintf("the token file %q %s", f.Path, what), `take another path, as in "/run/lwa-agent/access_token"`)
	}
}

func (r *reader) mode(path string) os.FileMode {
	text := r.text(path)
	if text == "" {
		return defaultTokenMode
	}
	bits, err := strconv.ParseUint(text, 8, 16)
	if err != nil || bits > 0o777 || len(text) < 3 {
		r.fault(path, fmt.Sprintf("%s %q is no file mode", lastKey(path), text), `write three octal digits after a 0, as in "0640"`)
		return defaultTokenMode
	}
	return os.FileMode(bits)
}

// maxRules bounds the rules for who may have what: each user of them takes a place
// in a socket's access control list.
const maxRules = 64

func (r *reader) access() []agent.Access {
	var all []agent.Access
	for i := range r.count["access"] {
		at := fmt.Sprintf("access[%d].", i)
		a := agent.Access{User: r.text(at + "user"), Group: r.text(at + "group"), May: r.list(at + "may")}
		switch _, said := r.values[at+"may"]; {
		case a.User == "" && a.Group == "":
			r.missing(at+"user", "an [[access]] names neither a user nor a group", `write one, as in user = "kodi"`)
		case a.User != "" && a.Group != "":
			r.fault(at+"group", "an [[access]] names a user and a group", "write an [[access]] for each")
		case !said:
			r.missing(at+"may", "an [[access]] does not say what is allowed", `write it, as in may = ["token"], or [] for nothing`)
		case slices.ContainsFunc(all, func(b agent.Access) bool { return b.User == a.User && b.Group == a.Group }):
			r.fault(at+"may", fmt.Sprintf("there are two [[access]] for %s", a.User+a.Group), "put what is allowed into one")
		case i == maxRules:
			r.fault(at+"may", fmt.Sprintf("there are more than %d [[access]]", maxRules), "name a group that they are in")
		}
		for _, word := range a.May {
			if known := []string{agent.MayStatus, agent.MayToken, agent.MayLink}; !slices.Contains(known, word) {
				r.fault(at+"may", fmt.Sprintf("may holds %q", word), near(word, known))
			}
		}
		all = append(all, a)
	}
	return all
}
