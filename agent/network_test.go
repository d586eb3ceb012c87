package agent

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// loopback is a namespace's only interface; it is down at first.
type loopbackInterface struct {
	t      *testing.T
	socket int
}

func (lo loopbackInterface) up() {
	lo.t.Helper()
	req, err := unix.NewIfreq("lo")
	must(lo.t, err)
	req.SetUint16(unix.IFF_UP)
	must(lo.t, unix.IoctlIfreq(lo.socket, unix.SIOCSIFFLAGS, req)) // it gets 127.0.0.1 and ::1 by itself
}

func (lo loopbackInterface) address(address string) {
	lo.t.Helper()
	req, err := unix.NewIfreq("lo")
	must(lo.t, err)
	must(lo.t, req.SetInet4Addr(netip.MustParseAddr(address).AsSlice()))
	must(lo.t, unix.IoctlIfreq(lo.socket, unix.SIOCSIFADDR, req))
}

// route adds a route by way of lo, to everywhere with no bits (rtnetlink(7)).
func (lo loopbackInterface) route(to string, bits byte) {
	lo.t.Helper()
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	must(lo.t, err)
	defer unix.Close(fd)
	m := make([]byte, unix.SizeofNlMsghdr, 64)
	m = append(m, unix.AF_INET, bits, 0, 0, unix.RT_TABLE_MAIN, unix.RTPROT_STATIC, unix.RT_SCOPE_LINK, unix.RTN_UNICAST, 0, 0, 0, 0)
	attribute := func(kind uint16, value []byte) {
		m = binary.NativeEndian.AppendUint16(m, uint16(4+len(value)))
		m = append(binary.NativeEndian.AppendUint16(m, kind), value...)
	}
	if bits > 0 {
		attribute(unix.RTA_DST, netip.MustParseAddr(to).AsSlice())
	}
	attribute(unix.RTA_OIF, binary.NativeEndian.AppendUint32(nil, 1))
	binary.NativeEndian.PutUint32(m, uint32(len(m)))
	binary.NativeEndian.PutUint16(m[4:], unix.RTM_NEWROUTE)
	binary.NativeEndian.PutUint16(m[6:], unix.NLM_F_REQUEST|unix.NLM_F_CREATE|unix.NLM_F_ACK)
	must(lo.t, unix.Sendto(fd, m, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}))
	answer := make([]byte, 1024)
	_, _, err = unix.Recvfrom(fd, answer, 0)
	must(lo.t, err)
	if errno := int32(binary.NativeEndian.Uint32(answer[unix.SizeofNlMsghdr:])); errno != 0 {
		lo.t.Fatalf("the kernel takes no route: %v", unix.Errno(-errno))
	}
}

func TestAddressOrRouteThatComesIsNoticed(t *testing.T) {
	t.Parallel()
	if !inNamespace(t) {
		return
	}
	changed, err := WatchNetwork(t.Context())
	must(t, err)
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(s)
	lo := loopbackInterface{t, s}
	want := func(what string) {
		t.Helper()
		select {
		case <-changed:
		case <-time.After(patience):
			t.Errorf("%s: nobody noticed; a device would wait out its backoff although the network is back", what)
		}
	}
	// What is sent first is read first: were it news, it would be there before
	// the news that follows, and there would be twice as much.
	wantNoMore := func(what string) {
		t.Helper()
		select {
		case <-changed:
			t.Errorf("%s is taken for a way to Amazon", what)
		case <-time.After(50 * time.Millisecond):
		}
	}
	lo.up()
	wantNoMore("the loopback interface")
	lo.address("192.0.2.10")
	want("an address")
	wantNoMore("the kernel's own route to an address")
	lo.route("198.51.100.0", 24)
	wantNoMore("a route to one network")
	lo.route("", 0)
	want("a default route")
}

// The kernel is trusted, but a message cut short must not end the watching.
func TestMessageCutShortIsNoNews(t *testing.T) {
	m := make([]byte, unix.SizeofNlMsghdr)
	binary.NativeEndian.PutUint16(m[4:], unix.RTM_NEWADDR)
	binary.NativeEndian.PutUint32(m, uint32(len(m)+8))
	m = append(m, unix.AF_INET, 24, 0, unix.RT_SCOPE_UNIVERSE, 0, 0, 0, 0)
	if !givesHope(m) {
		t.Fatal("a whole message of an address is no news, so the rest proves nothing")
	}
	for n := range m {
		if givesHope(m[:n]) {
			t.Errorf("%d of %d bytes are news", n, len(m))
		}
	}
	for _, size := range []uint32{0, 1, 15, 1 << 31} {
		binary.NativeEndian.PutUint32(m, size)
		if givesHope(m) {
			t.Errorf("a message of %d bytes is news", size)
		}
	}
}
