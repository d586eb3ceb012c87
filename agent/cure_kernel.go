package agent

import (
	"errors"

	"golang.org/x/sys/unix"
)

// cureOfKernel says what to do about errors that have the same cure in whatever
// directory of the agent's they come from; "" about others. EPERM, where a right
// that is missing gives EACCES, is an immutable or append-only file or directory
// (ioctl_iflags(2)), or the sticky bit of another user's directory (unlink(2)).
func cureOfKernel(err error, dir string) string {
	switch {
	case errors.Is(err, unix.EMFILE):
		return "raise LimitNOFILE= of the agent's unit: systemctl edit lwa-agent; or restart it, if it had worked: systemctl restart lwa-agent"
	case errors.Is(err, unix.ENFILE):
		return "this whole device has too many files open: end the program that has them, or raise the limit: sysctl fs.file-max"
	case errors.Is(err, unix.EPERM):
		return "as root: chattr -i -a whatever has an i or a in lsattr -a " + shellWord(dir) + "; if nothing has, it is another user's: use a directory of the agent's own"
	}
	return ""
}
