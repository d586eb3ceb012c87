package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/creack/pty"

	"lwa-agent/agent"
	"lwa-agent/cmd/internal/socket"
)

const (
	rowCoreRSS       = "memory-core"
	rowCoreAnonymous = "memory-core-anon"
	rowDisplayRSS    = "memory-display"
	rowCoreWakes     = "wakeups-core"
	rowDisplayWakes  = "wakeups-display"

	idleDevices = 3
	idleWindow  = 60 * time.Second
)

// idle is devices at rest: core and display process, linked.
type idle struct {
	bench *bench
	used  []*resting // linked by these processes
	again []*resting // linked before these processes were started
}

// resting is a device with both its processes.
type resting struct {
	*device
	screen  *screen
	display *process
}

func newIdle(b *bench) *idle { return &idle{bench: b} }

// prepare brings all devices to where they are left alone.
func (i *idle) prepare(ctx context.Context) error {
	for range idleDevices {
		used, err := i.bench.use(ctx)
		if err != nil {
			return err
		}
		again, err := i.bench.use(ctx)
		if err != nil {
			return err
		}
		i.used, i.again = append(i.used, used), append(i.again, again)
		if err := again.reboot(ctx); err != nil {
			return err
		}
	}
	return nil
}

// use lives through the first day of a device: the code is drawn, a person
// signs in, an address is dropped, the token refreshed once, all by TLS.
func (b *bench) use(ctx context.Context) (*resting, error) {
	size := pty.Winsize{Cols: 132, Rows: 43}
	screen, tty, err := openScreen(size)
	if err != nil {
		return nil, err
	}
	// tty stays open: the display process opens it by its name, which must exist.
	d, err := b.newDevice(ctx, deviceOptions{method: agent.MethodCode, tls: true, display: tty.Name()})
	if err != nil {
		return nil, err
	}
	r := &resting{device: d, screen: screen}
	if err := r.startBoth(ctx); err != nil {
		return nil, err
	}
	if err := screen.settle(ctx); err != nil {
		return nil, d.explain(err)
	}
	if err := d.link(ctx); err != nil {
		return nil, err
	}
	return r, r.renew(ctx)
}

func (r *resting) startBoth(ctx context.Context) (err error) {
	if err := r.start(ctx); err != nil {
		return err
	}
	r.display, err = r.launch(r.command(ctx, r.bench.displayEnv, "display"))
	return err
}

// renew has the token refreshed.
func (r *resting) renew(ctx context.Context) error {
	old, err := r.accessToken(ctx)
	if err != nil {
		return err
	}
	if err := r.post(ctx, "/refused", old); err != nil {
		return err
	}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if token, err := r.accessToken(ctx); err == nil && token != old {
			return nil
		}
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
	return r.explain(errors.New("the token is not refreshed"))
}

// reboot ends both processes and starts them again without what a reboot
// clears, so that the first thing they do is to refresh the token.
func (r *resting) reboot(ctx context.Context) error {
	if err := errors.Join(r.display.stop(), r.core.stop()); err != nil {
		return r.explain(err)
	}
	if err := errors.Join(os.RemoveAll(r.path("run")), os.Mkdir(r.path("run"), 0o755)); err != nil {
		return err
	}
	if err := r.startBoth(ctx); err != nil {
		return err
	}
	_, err := r.until(ctx, func(s agent.Status) bool { return socket.Named(s) && s.ExpiresAt != nil && len(s.Displays) > 0 })
	return err
}

// watch leaves the devices alone and looks what they cost.
func (i *idle) watch(ctx context.Context) error {
	if err := pause(ctx, settled); err != nil {
		return err
	}
	all := slices.Concat(i.used, i.again)
	var cores, displays []*process
	for _, r := range all {
		cores, displays = append(cores, r.core), append(displays, r.display)
	}
	before, err := look(all)
	if err != nil {
		return err
	}
	moments, ran, err := rest(ctx, slices.Concat(cores, displays), idleWindow)
	if err != nil {
		return err
	}
	after, err := look(all)
	if err != nil {
		return err
	}
	for k := range all {
		after[k].core.awake(moments[k], ran[k], before[k].core)
		after[k].display.awake(moments[k+len(all)], ran[k+len(all)], before[k].display)
	}
	i.report(after)
	for _, r := range all {
		err = errors.Join(err, r.display.stop(), r.end())
		r.screen.close()
	}
	return err
}

// sight is what can be seen of a device from outside.
type sight struct{ core, display burden }

// burden is what a process at rest costs.
type burden struct {
	memory
	switches map[string]int64 // by thread, since its start

	moments, sleeps int // in the time that it was watched
	ran             time.Duration
}

func (b *burden) awake(moments int, ran time.Duration, before burden) {
	b.moments, b.ran, b.sleeps = moments, ran, int(sleepsSince(before.switches, b.switches))
}

func look(all []*resting) ([]sight, error) {
	sights := make([]sight, len(all))
	for i, r := range all {
		var coreErr, displayErr error
		sights[i].core, coreErr = r.core.burden()
		sights[i].display, displayErr = r.display.burden()
		if err := errors.Join(coreErr, displayErr); err != nil {
			return nil, err
		}
	}
	return sights, nil
}

func (p *process) burden() (b burden, err error) {
	if b.memory, err = p.memory(); err != nil {
		return b, err
	}
	b.switches, err = p.switches()
	return b, err
}

func (i *idle) report(sights []sight) {
	used, again := sights[:len(i.used)], sights[len(i.used):]
	weigh := func(name, after string, bytes func(sight) int64) {
		f := summarize(each(used, func(s sight) float64 { return float64(bytes(s)) / 1e6 }), "")
		rebooted := summarize(each(again, func(s sight) float64 { return float64(bytes(s)) / 1e6 }), "")
		f.Note = fmt.Sprintf("%s, then %.0f s at rest; in a process that was started with a link and refreshed once: %s MB.",
			after, (settled + idleWindow).Seconds(), number(*rebooted.Median))
		i.bench.found(name, f)
	}
	const linked = "after a dropped code, the look-up of the account's name and a refresh, by TLS"
	weigh(rowCoreRSS, linked+i.bench.authority.among(), func(s sight) int64 { return s.core.rss })
	weigh(rowCoreAnonymous, linked, func(s sight) int64 { return s.core.anonymous })
	anonymous := summarize(each(used, func(s sight) float64 { return float64(s.display.anonymous) / 1e6 }), "")
	weigh(rowDisplayRSS, "of which "+number(*anonymous.Median)+" MB are its own and the others pages of files; after the authorize QR on a terminal of 132x43 and the linked screen", func(s sight) int64 { return s.display.rss })

	wake := func(name string, of func(sight) burden) {
		middle := func(value func(burden) float64) string {
			return number(*summarize(each(sights, func(s sight) float64 { return value(of(s)) }), "").Median / idleWindow.Minutes())
		}
		i.bench.found(name, summarize(each(sights, func(s sight) float64 { return float64(of(s).moments) / idleWindow.Minutes() }), fmt.Sprintf(
			"moments in which any thread ran, in %.0f s with nobody asking. In a minute it has %s voluntary context switches, of all threads, and runs for %s ms.",
			idleWindow.Seconds(), middle(func(b burden) float64 { return float64(b.sleeps) }), middle(func(b burden) float64 { return inMilliseconds(b.ran) }))))
	}
	wake(rowCoreWakes, func(s sight) burden { return s.core })
	wake(rowDisplayWakes, func(s sight) burden { return s.display })
}

func each(sights []sight, value func(sight) float64) []float64 {
	values := make([]float64, len(sights))
	for i, s := range sights {
		values[i] = value(s)
	}
	return values
}

// accessToken is the token in use.
func (d *device) accessToken(ctx context.Context) (string, error) {
	c, err := d.dial("token.sock")
	if err != nil {
		return "", err
	}
	defer c.close()
	text, err := c.readAll()
	if err == nil && len(text) == 0 {
		err = errNoToken
	}
	return string(text), errors.Join(err, ctx.Err())
}
