package display_test

import (
	"image"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lwa-agent/display"
	"lwa-agent/display/displaytest"
)

func TestPNGIsReplacedAtOnceAndForEverybodyToRead(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "link.png")
	d, err := display.OpenPNG(path, 0, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []display.Screen{pair(), offer(t, 469)} {
		if _, err := d.Draw(s); err != nil {
			t.Fatal(err)
		}
		if got, err := displaytest.DecodeQR(readPNG(t, path)); err != nil || got != s.Payloads[0].Text {
			t.Errorf("the picture reads %q (%v), want %q", got, err, s.Payloads[0].Text)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode() != 0o644 {
			t.Errorf("mode %v (%v), want -rw-r--r--", info.Mode(), err)
		}
	}
	names, err := fs.Glob(os.DirFS(dir), "*")
	if err != nil || len(names) != 1 {
		t.Errorf("in the directory: %q (%v), want the picture alone", names, err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := displaytest.DecodeQR(readPNG(t, path)); err == nil {
		t.Errorf("after Close the picture still reads %q", got)
	}
}

func TestPNGWithoutDirectorySaysSo(t *testing.T) {
	_, err := display.OpenPNG(filepath.Join(t.TempDir(), "missing", "link.png"), 0, 0, 0)
	if err == nil || !strings.Contains(err.Error(), "the directory for ") {
		t.Errorf("got %v, want an error that names the directory", err)
	}
}

func readPNG(t *testing.T, path string) image.Image {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	picture, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	return picture
}

// TestPictureFileIsMovedIntoPlace: the README's way to watch it, inotifywait -e
// moved_to, hears of each picture once, when it is whole.
func TestPictureFileIsMovedIntoPlace(t *testing.T) {
	dir := t.TempDir()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_MOVED_TO); err != nil {
		t.Fatal(err)
	}
	d, err := display.OpenPNG(filepath.Join(dir, "link.png"), 0, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Draw(pair()); err != nil {
		t.Fatal(err)
	}
	events := make([]byte, 4096)
	n, err := unix.Read(fd, events)
	if err != nil {
		t.Fatalf("nothing was moved there: %v", err)
	}
	if names := strings.Count(string(events[:n]), "link.png"); names != 1 {
		t.Errorf("moved there %d times, want once", names)
	}
}

// TestPictureReplacesNothingButAPicture: the display is tried by root, and the
// device of another driver is easily left in its [[display]].
func TestPictureReplacesNothingButAPicture(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) string {
		if err := os.WriteFile(at(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return at(name)
	}
	if err := unix.Mkfifo(at("fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("elsewhere.png", at("link")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{at("fifo"), at("link"), dir, dir + "/", "/dev/null", write("config.toml", "client_id = 3"), write("short", "\x89P")} {
		if _, err := display.OpenPNG(path, 0, 0, 0); err == nil || !strings.Contains(err.Error(), "another file") {
			t.Errorf("%s: %v, want an error: it would be gone", path, err)
		}
	}
	for _, path := range []string{at("new.png"), write("empty.png", ""), write("zeros.png", "\x00\x00\x00\x00")} {
		for range 2 { // the second finds the picture of the first
			d, err := display.OpenPNG(path, 0, 0, 0)
			if err != nil {
				t.Fatal(err)
			}
			mustDraw(t, d, pair())
		}
	}
}

// TestDirectoryThatCannotBeWrittenIsOneFault: who hears of faults compares them
// with the last, and the log had a new one every 30 seconds.
func TestDirectoryThatCannotBeWrittenIsOneFault(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	d, err := display.OpenPNG(filepath.Join(dir, "link.png"), 0, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(dir); err != nil { // root may write into any directory that is there
		t.Fatal(err)
	}
	_, first := d.Draw(pair())
	_, second := d.Draw(pair())
	if first == nil || second == nil || first.Error() != second.Error() || !strings.Contains(first.Error(), "link.png: ") {
		t.Errorf("%v, then %v; want the same twice, with the name of the picture", first, second)
	}
}

// TestPictureLeavesMemoryForTheOtherDisplays: a side may have 16,384 pixels. With
// two of them the process was killed, and started, and killed.
func TestPictureLeavesMemoryForTheOtherDisplays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "link.png")
	if _, err := display.OpenPNG(path, 16384, 16384, 0); err == nil || !strings.Contains(err.Error(), "write a smaller width") {
		t.Errorf("got %v, want what to do", err)
	}
	d, err := display.OpenPNG(path, 2560, 1440, 0)
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	mustDraw(t, d, pair())
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 2560*1440*3/2 {
		t.Errorf("a picture of 3.7 MB takes %d bytes, want it held once", took)
	}
}
