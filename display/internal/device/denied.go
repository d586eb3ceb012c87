// Package device says what keeps a device node of /dev from being used.
package device

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// WithGroup adds to a refusal by the permissions of path which group may use
// it, or that none but root's does. Any other error stays as it is.
func WithGroup(path string, err error) error {
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	info, statErr := os.Stat(path)
	if statErr != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return err
	}
	if st.Gid == 0 || st.Mode&0o020 == 0 {
		return fmt.Errorf("%w; it is its owner's and root's alone: give it to a group that this process is in (chgrp, chmod g+w; for a device a udev rule)", err)
	}
	group := strconv.FormatUint(uint64(st.Gid), 10)
	if g, lookupErr := user.LookupGroupId(group); lookupErr == nil {
		group = g.Name
	}
	return fmt.Errorf("%w; let this process join the group %s (SupplementaryGroups=%s in its unit)", err, group, group)
}
