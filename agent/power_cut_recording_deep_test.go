//go:build deep

package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// recordingMark is in the environment when this test binary is to save in a
// machine whose disk writes down what it is told, and in which order, and
// crashedMark when it is to say what is left on disks that were made of that.
// The machine is systemd/machinetest's.
const (
	recordingMark = "LWA_AGENT_TEST_RECORDING"
	crashedMark   = "LWA_AGENT_TEST_CRASHED"
)

// recording is what the machine asks for, as JSON.
type recording struct {
	State       string // a directory on the disk
	Disk        string // the device that it is on
	Marks       int64  // where on it, behind the file system, acknowledgements are marked
	Saves       int
	WithoutSync bool
}

// savesForOthers is true when this process was to do either.
func savesForOthers(t *testing.T) bool {
	t.Helper()
	if told := os.Getenv(recordingMark); told != "" {
		var r recording
		must(t, json.Unmarshal([]byte(told), &r))
		r.run(t)
		return true
	}
	if told := os.Getenv(crashedMark); told != "" {
		var dirs []string
		must(t, json.Unmarshal([]byte(told), &dirs))
		for _, dir := range dirs {
			n, err := left(t, dir)
			fmt.Printf("LEFT %d %v\n", n, err)
		}
		return true
	}
	return false
}

// run saves one record after the other, and marks each that save acknowledges.
func (r recording) run(t *testing.T) {
	t.Helper()
	d := stateDir{t, r.State}
	d.save(numbered(0))
	unix.Sync() // the control's, too
	m := openMarks(t, r.Disk, r.Marks)
	m.mark(0)
	disk := fileSystem(kernel{})
	if r.WithoutSync {
		disk = withoutSync{}
	}
	s, err := openStore(d.path, disk)
	must(t, err)
	_, err = s.load()
	must(t, err)
	for n := 1; n <= r.Saves; n++ {
		must(t, s.save(numbered(n)))
		m.mark(n)
	}
	fmt.Println("RECORDED", r.Saves)
}

// marks is a place on a disk that no file system uses. What is written there
// has its place among the file system's own writes, and its flushes.
type marks struct {
	t     *testing.T
	fd    int
	at    int64
	block []byte
}

func openMarks(t *testing.T, disk string, at int64) marks {
	t.Helper()
	// O_DIRECT: it is with the disk when the call returns. Without a flush: that
	// would help the file system.
	fd, err := unix.Open(disk, unix.O_WRONLY|unix.O_DIRECT|unix.O_CLOEXEC, 0)
	must(t, err)
	// Its own pages: O_DIRECT wants them whole (open(2)).
	block, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	must(t, err)
	return marks{t, fd, at, block}
}

func (m marks) mark(n int) {
	m.t.Helper()
	copy(m.block, fmt.Sprintf("ACKNOWLEDGED %d\n", n))
	written, err := unix.Pwrite(m.fd, m.block, m.at)
	must(m.t, err)
	if written != len(m.block) {
		m.t.Fatalf("a mark of %d bytes of %d", written, len(m.block))
	}
}

// left is which record an agent finds that starts now: the current one, whole
// and undamaged.
func left(t *testing.T, dir string) (int, error) {
	t.Helper()
	got, err := stateDir{t, dir}.load()
	if err != nil {
		return -1, err
	}
	if len(got.Codes) != 1 {
		return -1, errors.New("no record")
	}
	n, err := strconv.Atoi(got.Codes[0])
	if err != nil {
		return -1, err
	}
	if want := numbered(n); !reflect.DeepEqual(got, want) {
		return -1, fmt.Errorf("the record is not that of save %d: %+v", n, got)
	}
	return n, nil
}
