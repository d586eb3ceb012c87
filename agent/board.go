package agent

import (
	"os"
	"strings"
)

// BoardID names this device, so that a card that was copied into another one
// is noticed: by the serial number in its device tree, as a Raspberry Pi has
// one, else by its machine id (machine-id(5), which asks not to be passed on
// as it is, so a hash). Images that are read-only get a new machine id at each
// boot; a board keeps its number. Empty: neither can be read.
func BoardID() string {
	for _, path := range []string{"/sys/firmware/devicetree/base/serial-number", "/etc/machine-id"} {
		text, err := os.ReadFile(path)
		if id := strings.Trim(string(text), "\x00\n "); err == nil && id != "" && strings.Trim(id, "0") != "" {
			return checksum([]byte("lwa-agent board\n" + path + "\n" + id))[:32]
		}
	}
	return ""
}
