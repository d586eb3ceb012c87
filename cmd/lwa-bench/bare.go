package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// bareCommand as the first argument makes this program the least that can
// answer on a socket: it reads no request, has its answer ready, and blocks.
// What it takes is the kernel's and the machine's part of a hand-out.
const bareCommand = "bare"

// The kinds of it: like agent.sock, and like token.sock.
const (
	bareKept = "kept"
	bareOnce = "once"
)

// bareToken, repeated, is as long as Amazon's.
const bareToken = "Atza|" + "0123456789012345678901234567890123456789"

// serveBare answers on the socket path: with keep requests by HTTP on one
// connection after the other, else with the token alone, once for each
// connection. It ends by being killed.
func serveBare(path string, keep bool) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path + ".new"}); err != nil {
		return err
	}
	if err := unix.Listen(fd, 16); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	token := strings.Repeat(bareToken, 9)[:365]
	body := `{"access_token":"` + token + `","token_type":"bearer","expires_in":3187,"expires_at":"2026-11-23T14:05:01Z"}`
	answer := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	for {
		c, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
		if err != nil {
			return err
		}
		if keep {
			answerAll(c, answer)
		} else {
			_, _ = unix.Write(c, []byte(token)) // the reader counts what it gets
		}
		_ = unix.Close(c)
	}
}

func answerAll(c int, answer []byte) {
	buf := make([]byte, 4096)
	for {
		n, err := unix.Read(c, buf)
		if err != nil || n == 0 || !bytes.HasSuffix(buf[:n], []byte("\r\n\r\n")) {
			return
		}
		if _, err := unix.Write(c, answer); err != nil {
			return
		}
	}
}

// startBare starts such a server beside the agent's sockets; the caller ends it.
func (d *device) startBare(ctx context.Context, name, kind string) (end func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, self, bareCommand, kind, d.path("run/"+name))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		stop()
		return nil, err
	}
	end = func() { stop(); _ = cmd.Wait() } // killed, as it should be
	for began := time.Now(); ; {
		c, err := d.dial(name)
		if err == nil {
			c.close()
			return end, nil
		}
		if time.Since(began) > patience || pause(ctx, time.Millisecond) != nil {
			end()
			return nil, err
		}
	}
}
