package agent

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestAddressThatComesIsNoticed(t *testing.T) {
	t.Parallel()
	if !inNamespace(t) {
		return
	}
	changed, err := WatchNetwork(t.Context())
	must(t, err)
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(s)
	lo, err := unix.NewIfreq("lo") // of this namespace: it has no address while it is down
	must(t, err)
	lo.SetUint16(unix.IFF_UP)
	must(t, unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, lo))
	select {
	case <-changed:
	case <-time.After(patience):
		t.Error("nobody noticed: a device would wait out its backoff although the network is back")
	}
}
