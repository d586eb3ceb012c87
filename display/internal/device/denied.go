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
// it. Any other error stays as it is.
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
	group := strconv.FormatUint(uint64(st.Gid), 10)
	if g, lookupErr := user.LookupGroupId(group); lookupErr == nil {
		group = g.Name
	}
	return fmt.Errorf("%w; let this process join the group %s (SupplementaryGroups=%s in its unit)", err, group, group)
}
