package agent

import (
	"errors"
	"os"
	"path/filepath"
)

// LookAtState says what is to be known of a state directory from outside, without
// the lock and without a change: whether what is saved there lasts, and why the
// record of the link cannot be used; nil where it can be, or there is none yet.
// Who may not read it gets an error that is fs.ErrPermission.
func LookAtState(dir string) (lasting Warning, record error) {
	lasting = (&store{dir: dir}).lasting()
	text, err := readSmall(filepath.Join(dir, currentName)) // the agent's user could have put anything there, and who looks is root
	switch {
	case err == nil:
		var none *storeKey
		if _, _, err = none.decode(text); errors.Is(err, errUndecryptable) {
			err = nil // as it should be: the agent alone has the key
		}
	case os.IsNotExist(err):
		err = nil
	}
	return lasting, err
}

// RoomNeeded is what must be free in the state directory for a link to be saved,
// in bytes.
const RoomNeeded = roomNeeded
