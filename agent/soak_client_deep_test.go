//go:build deep

package agent

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// soakClient is a program with a habit of its own.
type soakClient struct {
	p     *process
	http  *http.Client
	habit int
	token string
}

func newSoakClient(p *process, i int) *soakClient {
	c := &soakClient{p: p, http: p.client(agentSockName), habit: i % 8}
	// Half of them open a connection for each question.
	c.http.Transport.(*http.Transport).DisableKeepAlives = i >= soakClients/2
	return c
}

// ask asks once; served is false when there was no good token.
func (c *soakClient) ask() (served bool, err error) {
	switch c.habit {
	case 0, 1:
		return c.get(http.MethodGet, "/token", "")
	case 2:
		return c.get(http.MethodGet, "/token?min_valid=60s", "")
	case 3:
		return c.get(http.MethodGet, "/status", "")
	case 4:
		text, err := c.p.readCredential()
		return text != "", err
	case 5:
		return c.get(http.MethodPost, "/refused", c.token)
	case 6:
		return c.get(http.MethodPost, "/code", "this is no code")
	default:
		return true, c.hangUp()
	}
}

func (c *soakClient) get(method, target, body string) (bool, error) {
	req, err := http.NewRequestWithContext(c.p.t.Context(), method, "http://agent"+target, strings.NewReader(body))
	if err != nil {
		return false, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return false, err
	}
	switch code := resp.StatusCode; {
	case code == http.StatusConflict && strings.HasPrefix(target, "/token"):
		return false, errors.New("the device is not linked, and never was unlinked")
	case code == http.StatusInternalServerError:
		return false, fmt.Errorf("%s %s: %s", method, target, text)
	default:
		return code != http.StatusServiceUnavailable, nil
	}
}

// hangUp goes away in the middle of the changes, and of a request.
func (c *soakClient) hangUp() error {
	for _, socket := range []string{agentSockName, eventsSockName} {
		conn, err := net.Dial("unix", c.p.path(socket))
		if err != nil {
			return err
		}
		_ = conn.SetDeadline(time.Now().Add(patience))
		_, err = io.WriteString(conn, "GET /events HTTP/1.1\r\nHost: agent\r\n\r\nGET /st")
		if err == nil {
			_, err = conn.Read(make([]byte, 100))
		}
		conn.Close()
		if err != nil {
			return err
		}
	}
	return nil
}
