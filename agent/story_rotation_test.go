package agent

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lwa-agent/lwa"
	"lwa-agent/lwa/lwatest"
)

// rotationStory is some days of a device that is switched off at night, with
// restarts and kills at random moments.
func rotationStory(t *testing.T, days int, o lwatest.Options, troubled bool) {
	codeStory(t, o, func(t *testing.T, h *house) {
		h.link()
		rng := rand.New(rand.NewPCG(3, 3))
		tokens := map[lwa.Secret]bool{}
		for day := range days {
			for range 3 {
				if troubled && rng.IntN(2) == 0 {
					h.sim.Fail([]lwatest.Fault{lwatest.AnswerLost(), lwatest.Interrupted(), lwatest.Late(40 * time.Second)}[rng.IntN(3)], 1, lwatest.Refresh)
				}
				h.pass(time.Duration(rng.Int64N(int64(time.Hour))))
				switch rng.IntN(3) {
				case 0:
					h.restart()
				case 1:
					h.kill()
					h.powerOn()
				}
				h.wantState(Linked, fmt.Sprintf("day %d", day))
				tokens[h.onDisk().Link.Refresh] = true
			}
			h.shutDown()
			time.Sleep(20 * time.Hour)
			h.powerOn()
			h.until("a token in the morning", time.Minute, func() bool { return h.status().ExpiresAt != nil })
		}
		if len(tokens) < days {
			t.Errorf("%d refresh tokens, so nothing rotated", len(tokens))
		}
		h.sim.Recover()
		h.pass(2 * time.Hour)
		h.wantToken("after all that")
	})
}

func TestRotatedTokensSurviveAMonthOfRestarts(t *testing.T) {
	t.Parallel()
	rotationStory(t, 30, lwatest.Options{Rotate: true}, true)
	rotationStory(t, 10, lwatest.Options{RotateAtOnce: true}, false)
}

// A start that comes to nothing has nobody who would save the answer.
func TestNothingIsAskedByAnAgentThatDoesNotStart(t *testing.T) {
	codeStory(t, lwatest.Options{RotateAtOnce: true}, func(t *testing.T, h *house) {
		h.link()
		h.shutDown()
		calls := h.sim.Count()
		cfg := h.cfg
		cfg.RuntimeDir = filepath.Join(t.TempDir(), strings.Repeat("x", 108)) // no socket has so long a name (unix(7))
		if _, err := newAgent(cfg); err == nil {
			t.Fatal("it starts without its sockets")
		}
		synctest.Wait()
		if n := h.sim.Count() - calls; n != 0 {
			t.Errorf("%d calls: a refresh token that Amazon gave to nobody ends the link", n)
		}
		h.powerOn()
		h.until("a token", time.Minute, func() bool { return h.status().ExpiresAt != nil })
	})
}

// Where the old token dies at once and the answer is lost, no client can save
// the link. It must say so, try again, and let the person link anew.
func TestRotationWithALostAnswerEndsInALinkThatCanBeMadeAnew(t *testing.T) {
	codeStory(t, lwatest.Options{RotateAtOnce: true}, func(t *testing.T, h *house) {
		h.link()
		kept := h.onDisk().Link.Refresh
		h.sim.Fail(lwatest.AnswerLost(), 1, lwatest.Refresh)
		h.until("the lost answer", 46*time.Minute, func() bool { return h.status().LastError != nil })
		h.wantState(Linked, "an answer was lost: that is no proof of anything")
		if h.onDisk().Link.Refresh != kept {
			t.Fatal("the old refresh token was given up for an answer that never came")
		}
		h.until("Amazon refuses the old token", 20*time.Minute, h.is(Unlinked))
		if h.onDisk().Link.Refresh != kept {
			t.Error("the refused token is gone from the disk; it is kept for three more tries")
		}
		h.link()
		h.pass(3 * time.Hour)
		h.wantToken("linked anew")
	})
}
