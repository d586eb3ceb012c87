package agent

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"lwa-agent/lwa"
	"lwa-agent/lwa/lwatest/harness"
)

// way is how a program puts a text into code.txt in a drop directory. The
// script runs in a shell with DIR (that directory), OUT (a directory beside
// it), FAR (one on another file system) and TEXT; $OUT/code.txt and
// $FAR/code.txt hold the text without a line end.
type way struct {
	name    string
	needs   string // the program
	script  string
	existed bool   // code.txt was there before, with nonsense in it
	typed   string // what the person types; the program gets a terminal
}

// Each program writes in its own manner: in one piece or several, in place or
// beside it and renamed, with times and modes of before.
func ways() []way {
	return []way{
		{name: "echo", script: `echo "$TEXT" > $DIR/code.txt`},
		{name: "echo over a file", script: `echo "$TEXT" > $DIR/code.txt`, existed: true},
		{name: "printf without a line end", script: `printf %s "$TEXT" > $DIR/code.txt`},
		{name: "printf over a file", script: `printf %s "$TEXT" > $DIR/code.txt`, existed: true},
		{name: "touch, then write", script: `touch $DIR/code.txt; sleep 0.2; echo "$TEXT" >> $DIR/code.txt`},
		{name: "here-document", script: "cat > $DIR/code.txt <<END\n$TEXT\nEND"},
		{name: "tee", needs: "tee", script: `printf %s "$TEXT" | tee $DIR/code.txt`},
		{name: "cp", needs: "cp", script: `cp $OUT/code.txt $DIR/`},
		{name: "cp over a file", needs: "cp", script: `cp $OUT/code.txt $DIR/`, existed: true},
		{name: "cp -p", needs: "cp", script: `touch -d 2001-01-01 $OUT/code.txt; cp -p $OUT/code.txt $DIR/`},
		{name: "cp from another file system", needs: "cp", script: `cp -a $FAR/code.txt $DIR/`},
		{name: "mv", needs: "mv", script: `mv $OUT/code.txt $DIR/`},
		{name: "mv over a file", needs: "mv", script: `mv $OUT/code.txt $DIR/`, existed: true},
		{name: "mv from another file system", needs: "mv", script: `mv $FAR/code.txt $DIR/`},
		{name: "write beside and mv", needs: "mv", script: `printf %.12s "$TEXT" > $DIR/.code.new; printf %s "${TEXT#????????????}" >> $DIR/.code.new; mv $DIR/.code.new $DIR/code.txt`},
		{name: "ln and rm", needs: "ln", script: `ln $OUT/code.txt $DIR/code.txt; rm $OUT/code.txt`},
		{name: "install", needs: "install", script: `install -m 640 $OUT/code.txt $DIR/code.txt`},
		{name: "dd", needs: "dd", script: `dd if=$OUT/code.txt of=$DIR/code.txt bs=7 2>&1`},
		{name: "dd and fsync", needs: "dd", script: `dd if=$OUT/code.txt of=$DIR/code.txt bs=16 conv=fsync 2>&1`},
		{name: "tar", needs: "tar", script: `tar -C $OUT -cf - code.txt | tar -C $DIR -xf -`},
		{name: "sed -i", needs: "sed", script: `sed -i "c $TEXT" $DIR/code.txt`, existed: true},
		{name: "rsync", needs: "rsync", script: `rsync $OUT/code.txt $DIR/`},
		{name: "rsync -a over a file", needs: "rsync", script: `rsync -a $OUT/code.txt $DIR/`, existed: true},
		{name: "rsync --inplace", needs: "rsync", script: `rsync --inplace $OUT/code.txt $DIR/code.txt`},
		{name: "scp", needs: "scp", script: `scp $OUT/code.txt $DIR/code.txt`},
		{name: "curl", needs: "curl", script: `curl -s -o $DIR/code.txt file://$OUT/code.txt`},
		{name: "python", needs: "python3", script: `python3 -c 'import os; open(os.environ["DIR"] + "/code.txt", "w").write(os.environ["TEXT"])'`},
		{name: "python, replaced", needs: "python3", script: `python3 -c '
import os
d = os.environ["DIR"]
open(d + "/code.txt.tmp", "w").write(os.environ["TEXT"])
os.replace(d + "/code.txt.tmp", d + "/code.txt")'`},
		{name: "python, unnamed and linked", needs: "python3", script: `python3 -c '
import os
d = os.environ["DIR"]
fd = os.open(d, os.O_TMPFILE | os.O_RDWR, 0o644)
os.write(fd, os.environ["TEXT"].encode())
os.link("/proc/self/fd/%d" % fd, d + "/code.txt", src_dir_fd=fd) # else it is not linkat(2)'`},
		{name: "vim", needs: "vim", script: vim, typed: "i$TEXT\x1b:wq\r"},
		{name: "vim over a file", needs: "vim", script: vim, typed: "ggdGi$TEXT\x1b:w\r:q\r", existed: true},
		{name: "vim, written beside and renamed", needs: "vim", script: vim, typed: ":set backupcopy=no\rggdGi$TEXT\x1b:wq\r", existed: true},
		{name: "nano", needs: "nano", script: nano, typed: "$TEXT\x0f\r\x18"},
		{name: "nano over a file", needs: "nano", script: nano, typed: "\x0b\x0b\x0b$TEXT\x0f\r\x18", existed: true},
	}
}

const (
	// With backupskip at its default vim writes in place under /tmp, which is
	// not what it does where people drop codes.
	vim  = `exec vim -Nu NONE -i NONE --cmd 'set backupskip=' $DIR/code.txt`
	nano = `exec nano --ignorercfiles $DIR/code.txt`
)

func TestEveryProgramDropsTheWholeCodeOnDisk(t *testing.T) {
	t.Parallel()
	testPrograms(t, t.TempDir(), memoryDir(t), droppedText, lwa.Drop{Code: lwa.NewSecret(droppedText)})
}

func TestEveryProgramDropsTheWholeAddressInMemory(t *testing.T) {
	t.Parallel()
	base := memoryDir(t)
	if base == "" {
		harness.Missing(t, "/dev/shm is not a tmpfs that can be written")
	}
	testPrograms(t, base, t.TempDir(), droppedURL, lwa.Drop{Code: lwa.NewSecret(droppedText), State: droppedState, Address: true})
}

// dropping is one program at work.
type dropping struct {
	way
	dir   string
	env   []string
	ended bool
	err   error
	out   []byte

	taken int
	last  droppedFile
	parts []lwa.Drop // what was offered and is not the whole text
}

// testPrograms lets the programs drop the text and takes what is offered, as
// the loop does. One inbox looks after all of it, for otherwise each program
// would be waited for on its own.
func testPrograms(t *testing.T, base, far, text string, want lwa.Drop) {
	var all []*dropping
	var paths []string
	at := make(map[string]*dropping)
	for i, w := range ways() {
		d := prepare(t, w, filepath.Join(base, strconv.Itoa(i)), filepath.Join(far, strconv.Itoa(i)), text)
		all, paths, at[d.dir] = append(all, d), append(paths, d.dir+"/"), d
	}
	in := startInbox(t, paths...)
	await(t, in, "the start", troublesNot)

	ended := make(chan *dropping)
	places := make(chan struct{}, 4) // at once
	for _, d := range all {
		go func() {
			places <- struct{}{}
			d.run(t.Context(), text)
			<-places
			ended <- d
		}()
	}
	deadline := time.After(patience)
	for left := len(all); left > 0; {
		select {
		case d := <-ended:
			d.ended = true
			if d.err != nil {
				left--
			}
			in.rescan()
		case r := <-in.reports():
			for _, offer := range r.Offers {
				d := at[offer.File.dir]
				switch {
				case offer.Drop != want:
					d.parts = append(d.parts, offer.Drop)
				case d.ended && offer.File != d.last: // before, it is read again and again, as while Amazon is asked
					must(t, offer.File.take(kernel{}, "Linked."))
					d.last = offer.File
					if d.taken++; d.taken == 1 {
						left--
					}
				}
			}
		case <-deadline:
			left = 0
		}
	}
	in.rescan()
	r := await(t, in, "nothing offered any more", func(r inboxReport) bool { return len(r.Offers) == 0 })
	for _, d := range all {
		t.Run(d.name, func(t *testing.T) { d.check(t, r) })
	}
}

func prepare(t *testing.T, w way, place, far, text string) *dropping {
	t.Helper()
	d := &dropping{way: w, dir: filepath.Join(place, "drop")}
	out := filepath.Join(place, "out")
	for _, dir := range []string{d.dir, out, far} {
		must(t, os.MkdirAll(dir, 0o755))
	}
	write(t, filepath.Join(out, "code.txt"), text)
	write(t, filepath.Join(far, "code.txt"), text)
	if w.existed {
		write(t, filepath.Join(d.dir, "code.txt"), "put the code in here\n")
	}
	d.env = append(os.Environ(), "DIR="+d.dir, "OUT="+out, "FAR="+far, "TEXT="+text, "TERM=xterm", "LC_ALL=C")
	return d
}

// check judges a program by all that was offered of it, and by what is left.
func (d *dropping) check(t *testing.T, last inboxReport) {
	if _, err := exec.LookPath(d.needs); d.needs != "" && err != nil {
		harness.Missing(t, err.Error())
	}
	for _, part := range d.parts {
		t.Errorf("offered %+v with the code %q: part of the text would be sent, and the code spent", part, part.Code.Reveal())
	}
	if d.err != nil || !d.ended || d.taken != 1 {
		t.Errorf("taken %d times, program ended: %v, %v, want the code taken once; it wrote %q", d.taken, d.ended, d.err, d.out)
	}
	for _, x := range last.Refusals {
		if strings.HasPrefix(x.Path, d.dir+"/") {
			t.Errorf("in the end: %+v, want nothing left behind", x)
		}
	}
}

func (d *dropping) run(ctx context.Context, text string) {
	cmd := exec.CommandContext(ctx, "/bin/sh", "-euc", d.script)
	cmd.Env = d.env
	cmd.WaitDelay = time.Second
	if d.typed == "" {
		d.out, d.err = cmd.CombinedOutput()
		return
	}
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 200})
	if err != nil {
		d.err = err
		return
	}
	defer terminal.Close()
	// What is typed before an editor has its screen is thrown away by some.
	buffer := make([]byte, 4096)
	for typed := false; err == nil; {
		var n int
		n, err = terminal.Read(buffer) // EIO when the editor has ended
		d.out = append(d.out, buffer[:n]...)
		if !typed && bytes.Contains(d.out, []byte("code.txt")) {
			typed = true
			_, _ = io.WriteString(terminal, strings.ReplaceAll(d.typed, "$TEXT", text))
		}
	}
	d.err = cmd.Wait()
}

// Programs were seen to write in two goes, and a person at a slow line lets
// each letter be written on its own.
func TestTextWrittenInPiecesIsOfferedWhole(t *testing.T) {
	testPieces(t, t.TempDir())
	if memory := memoryDir(t); memory != "" {
		testPieces(t, memory)
	}
}

func testPieces(t *testing.T, base string) {
	for _, c := range []struct {
		name, text string
		size       int
		pause      time.Duration
	}{
		{"two writes 50 ms apart", droppedText, 12, 50 * time.Millisecond},
		{"two writes, the second with the line end", droppedText + "\n", 12, 30 * time.Millisecond},
		{"an address in four", droppedURL, 30, 20 * time.Millisecond},
		{"letter by letter", droppedText, 1, 5 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			gap := settleTime
			for tries := 0; gap >= settleTime && tries < 20; tries++ { // else the machine is too busy
				dir, err := os.MkdirTemp(base, "pieces")
				must(t, err)
				in := startInbox(t, dir+"/")
				await(t, in, "the start", isQuiet)
				if gap = writeInPieces(t, filepath.Join(dir, "code"), c.text, c.size, c.pause); gap >= settleTime {
					continue
				}
				await(t, in, "the whole code", func(r inboxReport) bool {
					if len(r.Offers) > 0 && r.Offers[0].Drop.Code.Reveal() != droppedText {
						t.Errorf("offered %q: part of the text would be sent, and the code spent", r.Offers[0].Drop.Code.Reveal())
					}
					return len(r.Offers) > 0
				})
			}
			if gap >= settleTime {
				t.Errorf("each time a pause between two pieces took longer than what counts as settled, the last time %v", gap)
			}
		})
	}
}

// writeInPieces returns the longest pause between two pieces.
func writeInPieces(t *testing.T, path, text string, size int, pause time.Duration) (gap time.Duration) {
	t.Helper()
	f, err := os.Create(path)
	must(t, err)
	defer f.Close()
	for rest := text; rest != ""; {
		n := min(size, len(rest))
		begin := time.Now()
		if rest != text {
			<-time.After(pause)
		}
		_, err := f.WriteString(rest[:n])
		must(t, err)
		gap = max(gap, time.Since(begin))
		rest = rest[n:]
	}
	return gap
}
