package doctor

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
)

// proxyVariables are those that net/http looks at.
func proxyVariables() []string {
	return []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"}
}

// ProxyFromEnvironment is http.ProxyFromEnvironment with the variables of environ
// in place of this process's. net/http reads those once, so they are set for
// good: it is for a program that does nothing else.
func ProxyFromEnvironment(environ []string) Proxy {
	for _, name := range proxyVariables() {
		_ = os.Unsetenv(name) // fails for names that are none only
	}
	for _, v := range environ {
		if name, value, _ := strings.Cut(v, "="); slices.Contains(proxyVariables(), name) {
			_ = os.Setenv(name, value)
			if strings.EqualFold(name, "HTTPS_PROXY") && !isProxyAddress(value) {
				return func(*http.Request) (*url.URL, error) { return nil, errNoProxyAddress }
			}
		}
	}
	return http.ProxyFromEnvironment
}

var errNoProxyAddress = errors.New("no address")

// isProxyAddress reports whether net/http understands the value. What it does not,
// a password with a % in it for example, it passes over in silence.
func isProxyAddress(value string) bool {
	_, err := url.Parse(value)
	_, bare := url.Parse("http://" + value)
	return err == nil || bare == nil
}

func checkProxy(ctx context.Context, f *facts) []Finding {
	token, err := url.Parse(f.cfg.Endpoints.Token)
	if f.configErr != nil || err != nil {
		return nil
	}
	proxy, err := f.proxyTo(token)
	switch {
	case err != nil:
		return one(fault("write it as in HTTPS_PROXY=http://host:3128, and in a password %25 for %, %40 for @: systemctl edit lwa-agent", "the agent's HTTPS_PROXY is no address"))
	case proxy == nil && f.packaged() && cmp.Or(f.Env("HTTPS_PROXY"), f.Env("https_proxy")) != "":
		return one(warn("for the agent: systemctl edit lwa-agent, [Service], Environment=HTTPS_PROXY=…", "your shell has a proxy, the agent has none"))
	case proxy == nil:
		return one(ok("none is set for the agent"))
	}
	return one(throughProxy(ctx, proxy, token))
}

// throughProxy asks the proxy for a tunnel (RFC 9110 section 9.3.6). Its name and
// password are not shown, nor where it is: that is the network's own business.
func throughProxy(ctx context.Context, proxy, to *url.URL) Finding {
	const check = "check HTTPS_PROXY: systemctl edit lwa-agent"
	if proxy.Scheme != "http" || to.Scheme != "https" {
		return ok("one is set for the agent (%s)", proxy.Scheme)
	}
	address := net.JoinHostPort(proxy.Hostname(), cmp.Or(proxy.Port(), "80"))
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return fault(check, "the agent's proxy cannot be reached: %s", lastWords(err))
	}
	defer conn.Close()
	if deadline, has := ctx.Deadline(); has {
		_ = conn.SetDeadline(deadline) // a TCP connection takes one
	}
	target := net.JoinHostPort(to.Hostname(), cmp.Or(to.Port(), "443"))
	ask := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: target}, Host: target, Header: http.Header{}}
	if u := proxy.User; u != nil {
		password, _ := u.Password()
		basic := &http.Request{Header: http.Header{}}
		basic.SetBasicAuth(u.Username(), password)
		ask.Header.Set("Proxy-Authorization", basic.Header.Get("Authorization"))
	}
	if err := ask.Write(conn); err != nil {
		return fault(check, "the agent's proxy ended the connection")
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), ask)
	if err != nil {
		return fault(check, "what answers at the agent's proxy is no proxy")
	}
	resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
		return ok("the agent's proxy leads to %s", to.Hostname())
	case http.StatusProxyAuthRequired:
		return fault("write them into it: HTTPS_PROXY=http://user:password@host:port (systemctl edit lwa-agent)", "the agent's proxy wants a user and a password (407)")
	}
	return fault("ask who runs it to allow "+to.Hostname(), "the agent's proxy refuses %s (%d)", to.Hostname(), resp.StatusCode)
}

// lastWords is the system's part of an error of package net, without addresses.
func lastWords(err error) string {
	if e, is := errors.AsType[*net.OpError](err); is && e.Err != nil {
		err = e.Err
	}
	if e, is := errors.AsType[*os.SyscallError](err); is {
		err = e.Err
	}
	if e, is := errors.AsType[*net.DNSError](err); is {
		return e.Err
	}
	return err.Error()
}
