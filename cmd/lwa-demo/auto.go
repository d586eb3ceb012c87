package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"lwa-agent/agent"
	"lwa-agent/cmd/internal/cli"
	"lwa-agent/lwa/lwatest"
)

const (
	storyWithin = 20 * time.Second // the whole of it, from the start

	// storyTokenLife makes a refresh due after 1 to 1.5 s.
	storyTokenLife = 2 * time.Second
)

// A step is a part of the story.
type step struct {
	expect string // what has to happen
	within time.Duration
	do     func(context.Context) (seen string, err error)
}

// story is the journey that plays by itself. Its steps leave to later ones what
// they found out.
type story struct {
	out    io.Writer
	began  time.Time
	amazon *amazon
	device *device
	person person

	status agent.Status // when a step last looked
	back   string       // where the browser ended
	token  string
}

// playStory plays all the parts of the journey, the person's too.
func playStory(ctx context.Context, streams cli.Streams) (err error) {
	s := &story{out: streams.Out, began: time.Now(), person: newPerson()}
	ctx, cancel := context.WithDeadline(ctx, s.began.Add(storyWithin))
	defer cancel()
	s.amazon, err = openAmazon(ctx, anyPort, lwatest.Options{TokenLife: storyTokenLife, PairInterval: 5 * time.Second}, 0, nil)
	if err != nil {
		return err
	}
	defer s.amazon.close()
	s.device, err = newDevice(streams.Env("TMPDIR"), s.amazon.url, agent.MethodCode)
	if err != nil {
		return err
	}
	defer func() {
		_ = s.device.stop() // the last step has looked how it ends; after another one it adds nothing
		err = errors.Join(err, s.device.remove())
	}()

	fmt.Fprintf(s.out, "The journey of a device, with a simulated Amazon at %s\n", s.amazon.url)
	if err := s.tell(ctx, s.steps()); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "All went well in %.1f s: linked both ways, refreshed, killed, removed.\n", time.Since(s.began).Seconds())
	return nil
}

// tell takes the steps one after the other and ends with the first that fails.
func (s *story) tell(ctx context.Context, steps []step) error {
	for _, step := range steps {
		began := time.Now()
		limited, cancel := context.WithTimeout(ctx, step.within)
		seen, err := step.do(limited)
		late := limited.Err()
		cancel()
		if err == nil {
			fmt.Fprintf(s.out, "%5.2f s  %s\n", time.Since(s.began).Seconds(), seen)
			continue
		}
		after := fmt.Sprintf("after %.2f s", time.Since(began).Seconds())
		switch {
		case errors.Is(context.Cause(ctx), context.Canceled):
			return errors.New("interrupted")
		case ctx.Err() != nil:
			after += fmt.Sprintf(", for the whole story may take %s", storyWithin)
		case late != nil:
			after += fmt.Sprintf(", for it may take %s", step.within)
		}
		fmt.Fprintf(s.out, "FAILED %s\n  expected: %s\n  seen:     %v\nThe agent's log ends:\n%s", after, step.expect, err, s.device.logTail())
		return fmt.Errorf("the story ended at: %s", step.expect)
	}
	return nil
}

func (s *story) steps() []step {
	const usual = 5 * time.Second
	return []step{
		{"the agent starts and offers an authorize URL", usual, s.start},
		{"the person opens it, presses Allow, and the browser ends at the redirect address with a code", usual, s.signIn},
		{"the address, dropped as a file, links the device and the file is gone", usual, s.dropAddress},
		{"a program gets a token from agent.sock, and it is good at Amazon", usual, s.useToken},
		{"the token is refreshed before it ends", usual, s.refresh},
		{"the token is refreshed again", usual, s.refresh},
		{"the agent, killed with signal 9 and started again, still has the same link", usual, s.killAndStart},
		{"with the app removed at Amazon, the agent offers a link again and hands out no token", usual, s.removeApp},
		{`config.toml with method = "cbl" is taken over while the agent runs, and a code is shown`, usual, s.changeConfig},
		{"the person enters the code and presses Allow", usual, s.enterCode},
		{"the agent, which asks every 5 s, finds out and is linked", 10 * time.Second, s.linkedByCode},
		{"a program gets a token of the new link, and it is good at Amazon", usual, s.useToken},
		{"the agent ends when it is told to, and Amazon objects to nothing that it was sent", usual, s.end},
	}
}
