package panel

import (
	"errors"
	"os"
	"strings"
)

// activeConsole is the virtual console that is on the screen.
func activeConsole() (string, error) {
	text, err := os.ReadFile("/sys/class/tty/tty0/active")
	name := strings.TrimSpace(string(text))
	if err != nil || name == "" {
		return "", errors.New("no display is configured and there is no virtual console; write a [[display]] into config.toml")
	}
	return "/dev/" + name, nil
}
