//go:build machinetest

package machinetest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
)

// Kinds of packets of usb-redir, version 0.7
// (gitlab.freedesktop.org/spice/usbredir, docs/usb-redirection-protocol.md).
const (
	redirHello         = 0
	redirConnect       = 1
	redirInterfaces    = 4
	redirEndpoints     = 5
	redirSetConfig     = 6
	redirGetConfig     = 7
	redirConfigStatus  = 8
	redirSetAlt        = 9
	redirGetAlt        = 10
	redirAltStatus     = 11
	redirCancel        = 21
	redirControlPacket = 100

	redirSuccess = 0
	redirStall   = 4 // what a device answers to a request that it does not know

	// What both sides know, of connections of today: a device's version, packet
	// sizes of endpoints, ids of 64 bits, lengths of 32.
	redirCapabilities = 1<<1 | 1<<4 | 1<<5 | 1<<6
)

// A usbFunction is a device of full speed without endpoints but the one that all
// devices have: it answers control transfers. A request that it does not know is
// an error.
type usbFunction interface {
	// identity is the vendor, the product and its version.
	identity() (vendor, product, version uint16)
	// control answers a request to the vendor's own part of the device.
	control(c controlRequest) (in []byte, err error)
}

// A controlRequest is the set-up packet of a control transfer (USB 2.0, table
// 9-2), with what the host sends.
type controlRequest struct {
	kind, request byte
	value, index  uint16
	length        int
	out           []byte
}

func (c controlRequest) toHost() bool { return c.kind&0x80 != 0 }
func (c controlRequest) vendor() bool { return c.kind&0x60 == 0x40 }

// redirect is the cable: it plugs a function into QEMU's usb-redir and serves it
// until the connection is closed.
type redirect struct {
	conn     net.Conn
	function usbFunction
	longIDs  bool
}

func (r *redirect) serve() error {
	hello := make([]byte, 64, 68)
	copy(hello, "lwa-agent machinetest")
	if err := r.send(redirHello, 0, binary.LittleEndian.AppendUint32(hello, redirCapabilities)); err != nil {
		return err
	}
	for {
		kind, id, body, err := r.receive()
		if err != nil {
			return err
		}
		switch kind {
		case redirHello:
			r.longIDs = len(body) >= 68 && binary.LittleEndian.Uint32(body[64:])&(1<<5) != 0
			err = r.connect()
		case redirSetConfig:
			err = r.send(redirConfigStatus, id, []byte{redirSuccess, body[0]})
		case redirGetConfig:
			err = r.send(redirConfigStatus, id, []byte{redirSuccess, 1})
		case redirSetAlt:
			err = r.send(redirAltStatus, id, []byte{redirSuccess, body[0], body[1]})
		case redirGetAlt:
			err = r.send(redirAltStatus, id, []byte{redirSuccess, body[0], 0})
		case redirControlPacket:
			err = r.answer(id, body)
		case redirCancel: // too late: what it is about was answered at once
		}
		if err != nil {
			return err
		}
	}
}

// connect describes the device: one interface of the vendor's class, and of the
// 32 possible endpoints the two halves of number 0.
func (r *redirect) connect() error {
	const invalid, vendorClass, fullSpeed = 0xff, 0xff, 1
	interfaces := make([]byte, 4+4*32)
	interfaces[0], interfaces[4+32] = 1, vendorClass
	if err := r.send(redirInterfaces, 0, interfaces); err != nil {
		return err
	}
	endpoints := append(bytes.Repeat([]byte{invalid}, 32), make([]byte, 2*32+2*32)...)
	for _, half := range []int{0, 16} {
		endpoints[half] = 0 // a control endpoint
		binary.LittleEndian.PutUint16(endpoints[3*32+2*half:], 64)
	}
	if err := r.send(redirEndpoints, 0, endpoints); err != nil {
		return err
	}
	vendor, product, version := r.function.identity()
	device := []byte{fullSpeed, vendorClass, 0, 0}
	for _, n := range []uint16{vendor, product, version} {
		device = binary.LittleEndian.AppendUint16(device, n)
	}
	return r.send(redirConnect, 0, device)
}

func (r *redirect) answer(id uint64, body []byte) error {
	const header = 10
	c := controlRequest{
		kind: body[2], request: body[1],
		value: binary.LittleEndian.Uint16(body[4:]), index: binary.LittleEndian.Uint16(body[6:]),
		length: int(binary.LittleEndian.Uint16(body[8:])), out: body[header:],
	}
	var in []byte
	var err error
	if c.vendor() {
		in, err = r.function.control(c)
	} else {
		in, err = r.standard(c)
	}
	reply := bytes.Clone(body[:header])
	reply[3] = redirSuccess // QEMU leaves what it likes there
	in = in[:min(len(in), c.length)]
	if err != nil {
		reply[3], in = redirStall, nil
	}
	if c.toHost() {
		binary.LittleEndian.PutUint16(reply[8:], uint16(len(in)))
		reply = append(reply, in...)
	}
	return r.send(redirControlPacket, id, reply)
}

// standard answers what every device is asked (USB 2.0, chapter 9.4).
func (r *redirect) standard(c controlRequest) ([]byte, error) {
	const getStatus, getDescriptor = 0, 6
	switch {
	case c.request == getStatus && c.toHost():
		return []byte{0, 0}, nil
	case c.request != getDescriptor:
		return nil, nil
	}
	vendor, product, version := r.function.identity()
	le := binary.LittleEndian.AppendUint16
	switch c.value >> 8 {
	case 1: // of the device: USB 2.0, packets of 64 bytes, one configuration
		d := []byte{18, 1, 0, 2, 0xff, 0, 0, 64}
		return append(le(le(le(d, vendor), product), version), 0, 0, 0, 1), nil
	case 2: // of the configuration, with its interface; it draws 100 mA
		return []byte{9, 2, 18, 0, 1, 1, 0, 0x80, 50, 9, 4, 0, 0, 0, 0xff, 0, 0, 0}, nil
	}
	return nil, fmt.Errorf("no descriptor %#x", c.value)
}

func (r *redirect) send(kind uint32, id uint64, body []byte) error {
	le := binary.LittleEndian
	packet := le.AppendUint32(le.AppendUint32(nil, kind), uint32(len(body)))
	if r.longIDs {
		packet = le.AppendUint64(packet, id)
	} else {
		packet = le.AppendUint32(packet, uint32(id))
	}
	_, err := r.conn.Write(append(packet, body...))
	return err
}

func (r *redirect) receive() (kind uint32, id uint64, body []byte, err error) {
	header := make([]byte, 12, 16)
	if r.longIDs {
		header = header[:16]
	}
	if _, err := io.ReadFull(r.conn, header); err != nil {
		return 0, 0, nil, err
	}
	le := binary.LittleEndian
	if r.longIDs {
		id = le.Uint64(header[8:])
	} else {
		id = uint64(le.Uint32(header[8:]))
	}
	body = make([]byte, le.Uint32(header[4:]))
	_, err = io.ReadFull(r.conn, body)
	return le.Uint32(header), id, body, err
}
