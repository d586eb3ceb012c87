package agent

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/sys/unix"
)

// printablePath is a path for people. A stranger chose the name, and it goes
// to terminals and logs.
func printablePath(path string) string {
	if strings.ContainsFunc(path, func(r rune) bool { return r == unicode.ReplacementChar || !unicode.IsPrint(r) }) {
		return strconv.QuoteToGraphic(path)
	}
	return path
}

// packagedSpool is the directory that the package's tmpfiles.d makes.
const packagedSpool = "/var/spool/lwa-agent"

func missingDirMessage(err error) string {
	switch {
	case errors.Is(err, unix.ENOENT):
		return "the directory for dropped codes does not exist"
	case errors.Is(err, unix.ENOTDIR):
		return "the path for dropped codes is not a directory"
	case errors.Is(err, unix.EACCES):
		return "the directory for dropped codes cannot be read"
	default:
		return fmt.Sprintf("the directory for dropped codes cannot be read: %v", err)
	}
}

func missingDirHint(dir string, err error) string {
	group, word := shellWord(ownGroup()), shellWord(dir)
	cure := cureOfKernel(err, dir)
	switch {
	case cure != "":
		return cure
	case dir == packagedSpool:
		return "run as root: systemd-tmpfiles --create"
	case errors.Is(err, unix.ENOENT):
		return fmt.Sprintf("run as root: install -d -m 3770 -o %s -g %s %s", shellWord(ownUser()), group, word)
	case errors.Is(err, unix.EACCES):
		return fmt.Sprintf("run as root: chgrp %s %s && chmod g+rwx %[2]s", group, word)
	default:
		return "correct [inbox] paths in the configuration, or mend " + printablePath(dir)
	}
}
