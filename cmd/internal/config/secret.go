package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"lwa-agent/lwa"
)

// clientSecret reads the client secret: systemd's credential client_secret
// (systemd.exec(5), LoadCredential=), else the file that the setting names. No
// text at all makes a public client. path is the file it comes from, or would.
func (r *reader) clientSecret(env Env) (secret lwa.Secret, path string) {
	const key = "client_secret_file"
	file := r.text(key)
	if r.given != nil {
		return *r.given, ""
	}
	if dir := env("CREDENTIALS_DIRECTORY"); dir != "" {
		credential := filepath.Join(dir, "client_secret")
		if text, err := readRegular(credential); err == nil {
			return r.secret("the credential client_secret", text), ""
		} else if !errors.Is(err, fs.ErrNotExist) {
			r.fault(key, "the credential client_secret cannot be read: "+reason(err), "correct LoadCredential= of the unit")
			return lwa.Secret{}, ""
		}
	}
	switch {
	case file == "":
		return lwa.Secret{}, ""
	case !filepath.IsAbs(file):
		r.fault(key, "client_secret_file is not absolute", "write the whole path, from the first /")
		return lwa.Secret{}, ""
	}
	text, err := readRegular(file)
	if err != nil {
		r.fault(key, file+" cannot be read: "+reason(err), cureOfRead(file, err, "write the client secret there, or remove the line for a public client"))
		r.problems[len(r.problems)-1].Err = err
		return lwa.Secret{}, file
	}
	if st, err := os.Stat(file); err == nil && st.Mode().Perm()&0o004 != 0 {
		r.warn(key, "everybody on this device can read "+file, "chmod 0640 "+file)
	}
	return r.secret(file, text), file
}

// secret accepts one word. Its characters are never shown.
func (r *reader) secret(from string, text []byte) lwa.Secret {
	word := strings.TrimRight(string(trimBOM(text)), " \t\r\n\v\f")
	if strings.ContainsFunc(word, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		r.fault("client_secret_file", from+" is not one word of plain characters", "leave only the client secret in it")
		return lwa.Secret{}
	}
	return lwa.NewSecret(word)
}
