package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"lwa-agent/agent"
	"lwa-agent/cmd/internal/config"
	"lwa-agent/lwa"
)

// secretName is the client secret, which all devices of a product share.
const secretName = "etc/credstore/lwa-agent.client_secret"

// Complete returns a problem if the program is not in the image: who checks a
// wrong directory must not be told that all is well.
func (i *Image) Complete() error {
	_, err := i.root.Lstat(i.inside(binaryPath))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no %s; is it the root of the image, and was lwa-agent installed into it?", i.path(binaryPath))
	}
	return i.unseen(binaryPath, err)
}

// isRunning reports whether dir is the root of this process, and systemd, by its
// mark (sd_booted(3)), was started in it: in a chroot it was not.
func isRunning(dir, mark string) bool {
	here, err := os.Stat(dir)
	root, failed := os.Stat("/")
	_, none := os.Stat(mark)
	return err == nil && failed == nil && none == nil && os.SameFile(here, root)
}

// others are what is not the agent's own, and could be used on the device alone
// that made it, or on all that have the same.
func (c *carried) others() {
	for _, other := range [...][2]string{
		{"var/lib/systemd/credential.secret", "is systemd's key for credentials (systemd-creds), which each device makes for itself"},
		{"etc/credstore.encrypted/lwa-agent.client_secret", "is encrypted for one device, or with a key that all would have"},
	} {
		there, err := c.isThere(other[0])
		c.all = append(c.all, err)
		if there {
			c.found(other[0], other[1], "rm", other[0])
		}
	}
	c.drops()
}

// drops looks for codes in the drop directory. What the agent would not take for
// one, its own RESULT.txt or a README of the maker's, harms no device.
func (c *carried) drops() {
	dir := c.inside("var/spool/lwa-agent")
	names, err := c.names(dir)
	c.all = append(c.all, err)
	for _, name := range names {
		file := dir + "/" + name
		info, err := c.root.Lstat(file)
		if agent.PassedOver(name) || err == nil && !info.Mode().IsRegular() {
			continue
		}
		var text []byte
		if err == nil {
			text, err = c.read(file)
		}
		if err != nil {
			c.all = append(c.all, c.unseen(file, err))
		} else if _, err := lwa.ParseDrop(text); err == nil {
			c.found(file, "is a dropped code, which is good once and for one device", "rm", file)
		}
	}
}

// mistakes are those that all devices would have: nobody could mend them from here.
func (c *carried) mistakes() {
	text, err := c.read(c.inside(configName()))
	if err != nil {
		return // there is none, or settings has said it
	}
	secret, failed := c.secret()
	if failed == nil {
		_, failed = config.Check(c.path(configName()), text, secret, func(string) string { return "" })
	}
	c.all = append(c.all, failed)
}

// secret is that of the image; zero where there is none, or where it cannot be
// read by who builds without being root.
func (c *carried) secret() (lwa.Secret, error) {
	name := c.inside(secretName)
	info, err := c.root.Stat(name)
	if err != nil {
		return lwa.Secret{}, c.unseen(secretName, err)
	}
	if info.Mode().Perm()&0o007 != 0 {
		c.found(secretName, "could be read by everybody on each device", "chmod 0600", secretName)
	}
	text, err := c.read(name)
	if errors.Is(err, fs.ErrPermission) {
		return lwa.Secret{}, nil
	}
	if err != nil {
		return lwa.Secret{}, c.unseen(secretName, err)
	}
	return config.Secret(c.path(secretName), text)
}
