//go:build machinetest

package machinetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"
)

// A monitor is QEMU's own line: its reset button, its screen, its keyboard. The
// protocol is QMP (QEMU's docs/interop/qmp-spec.txt).
type monitor struct {
	conn   net.Conn
	decode *json.Decoder
}

// monitorLimit is far more than QEMU needs for anything that is asked of it,
// with a processor that is shared.
const monitorLimit = 30 * time.Second

func newMonitor(conn net.Conn) (*monitor, error) {
	m := &monitor{conn: conn, decode: json.NewDecoder(conn)}
	return m, m.do("qmp_capabilities", nil) // after a greeting, which do passes over
}

// do runs a command, and drops what it returns.
func (m *monitor) do(command string, arguments any) error {
	if err := m.conn.SetDeadline(time.Now().Add(monitorLimit)); err != nil {
		return err
	}
	request := map[string]any{"execute": command}
	if arguments != nil {
		request["arguments"] = arguments
	}
	if err := json.NewEncoder(m.conn).Encode(request); err != nil {
		return fmt.Errorf("ask QEMU to %s: %w", command, err)
	}
	for {
		var said struct {
			Return json.RawMessage
			Error  *struct{ Desc string }
		}
		if err := m.decode.Decode(&said); err != nil {
			return fmt.Errorf("QEMU's answer to %s: %w", command, err)
		}
		if said.Error != nil {
			return fmt.Errorf("QEMU refuses to %s: %w", command, errors.New(said.Error.Desc))
		}
		if said.Return != nil { // otherwise an event
			return nil
		}
	}
}
