package agent

import (
	"time"

	"lwa-agent/lwa"
)

// event is everything that happens to the machine: a closed sum.
//
//sumtype:decl
type event interface{ isEvent() }

type (
	// ticked: a deadline came, or 30 s passed.
	ticked struct {
		synchronized bool      // whether something keeps the wall clock right
		epoch        time.Time // the wall clock's idea of uptime 0
		disk         diskNews
	}

	// answered: a call to Amazon ended. Which kind it was the machine knows;
	// an answer with another number than the call in flight is dropped.
	answered struct {
		call    uint64
		sent    time.Duration // uptime when the call began: a token's life counts from here
		token   lwa.Token
		pair    lwa.Pair
		account string
		err     *lwa.Error
		date    time.Time // by Amazon's clock; zero: the answer had none
	}

	// saved: the record of the last save effect is on the disk, or why not.
	saved struct {
		problem string // empty: it is there
		hint    string
		writes  uint64
	}

	// codePosted: a program or a person handed a text in; wants a reply.
	codePosted struct {
		question uint64
		drop     lwa.Drop
		stranger bool // only a state of ours is taken, and nothing else is told
	}
	// inboxChecked: what lies in the inbox. Files that hold a code are offered
	// again until they are gone; zero values: all is well.
	inboxChecked struct {
		offers  []droppedCode
		refused refusal // the newest file that cannot be taken
		trouble refusal // of the inbox itself
	}

	// taken: a take effect ended; trouble tells what it could not do.
	taken struct{ trouble refusal }

	// accessKept: a keepAccess effect ended; problem tells what it could not do.
	accessKept struct{ problem string }

	// tokenAsked: a program wants a token and the published one will not do.
	tokenAsked struct {
		question uint64
		minValid time.Duration
		patience time.Duration // how long it waits for a better one
	}
	// tokenRefused: an API refused this token.
	tokenRefused struct {
		question uint64 // wants a reply, which comes when the token is withdrawn from those that are handed out at once
		token    lwa.Secret
	}

	relinkAsked    struct{ question uint64 } // wants a reply
	relinkCanceled struct{ question uint64 } // wants a reply
	unlinkAsked    struct{ question uint64 } // wants a reply
	// importAsked: somebody hands in the refresh token of another program.
	importAsked struct {
		question uint64 // wants a reply, once the token is proven and the link saved
		token    lwa.Secret
		clientID string // that it was given to; empty: unknown
		serial   string // that it was given to; empty: unknown
		replace  bool   // although the device is linked
	}

	// attended: a person is here, or the device was just switched on.
	attended struct{}
	// networkChanged: an address or a route came.
	networkChanged struct{}
	// clockSet: somebody set the wall clock; as ticked, but out of turn.
	clockSet struct {
		synchronized bool
		epoch        time.Time
	}

	// stopping: the agent ends; what is in flight may end before it.
	stopping struct{}

	// doorsChanged: browsers reach the device elsewhere, not, or again.
	doorsChanged struct{ doors Doors }

	// configured: the configuration was read again.
	configured struct{ settings settings }
	// configBroken: the configuration changed and is wrong; the old one stays.
	configBroken struct{ message, hint string }
)

func (ticked) isEvent()         {}
func (answered) isEvent()       {}
func (saved) isEvent()          {}
func (codePosted) isEvent()     {}
func (inboxChecked) isEvent()   {}
func (taken) isEvent()          {}
func (accessKept) isEvent()     {}
func (tokenAsked) isEvent()     {}
func (tokenRefused) isEvent()   {}
func (relinkAsked) isEvent()    {}
func (relinkCanceled) isEvent() {}
func (unlinkAsked) isEvent()    {}
func (importAsked) isEvent()    {}
func (attended) isEvent()       {}
func (networkChanged) isEvent() {}
func (clockSet) isEvent()       {}
func (stopping) isEvent()       {}
func (doorsChanged) isEvent()   {}
func (configured) isEvent()     {}
func (configBroken) isEvent()   {}

// effect is what the machine wants done: a closed sum like event. The loop
// carries effects out in their order and feeds a save's outcome back before
// anything else happens.
//
//sumtype:decl
type effect interface{ isEffect() }

type (
	// save writes the record; the last effect of its step, for what follows
	// depends on it. forget removes the generation before it first. One ahead of
	// a link fails where there would be no room for the link.
	save struct {
		record        record
		forget, ahead bool
		serial        string // takes the place of the serial number, unless it is empty
	}

	// The calls to Amazon; each is answered by an answered event.
	exchange struct {
		call    uint64
		code    lwa.Secret
		attempt lwa.Attempt
	}
	refresh struct {
		call  uint64
		token lwa.Secret
	}
	createPair struct{ call uint64 }
	poll       struct {
		call uint64
		pair lwa.Pair
	}
	profile struct {
		call  uint64
		token lwa.Secret
	}
	// cancel ends a call whose answer nobody wants any more.
	cancel struct{ call uint64 }

	// reply answers a question.
	reply struct {
		question uint64
		outcome  outcome
		problem  Problem       // with every outcome but done
		wait     time.Duration // with noToken: when to ask again
	}

	// take removes a dropped file and says beside it what became of it.
	take struct {
		file   droppedFile
		result string
	}

	// keepAccess leaves the access token where programs and a restarted agent
	// find it; a zero token removes it there.
	keepAccess struct{ access access }

	// note is a line for the log: one for each change of state.
	note struct{ message, detail string }
	// warning is a line for the log about a problem that is new.
	warning struct{ problem Problem }
)

func (save) isEffect()       {}
func (exchange) isEffect()   {}
func (refresh) isEffect()    {}
func (createPair) isEffect() {}
func (poll) isEffect()       {}
func (profile) isEffect()    {}
func (cancel) isEffect()     {}
func (reply) isEffect()      {}
func (take) isEffect()       {}
func (keepAccess) isEffect() {}
func (note) isEffect()       {}
func (warning) isEffect()    {}

// outcome is how a question ended.
type outcome uint8

const (
	done      outcome = iota // a token is published, or what was asked for is done or under way
	notLinked                // there is no link, so no token
	noToken                  // there is a link and no good token now
	bad                      // the text is not a code we can use
	conflict                 // not in this state
	tooMany                  // codes come too fast
	notSaved                 // the state directory cannot be written
)

// diskNews is what a look at the state directory has shown: that a save would
// fail, or that this is over; zero: nothing new.
type diskNews struct {
	problem, hint string
	mended        bool
}

// access is an access token with its end in uptime.
type access struct {
	Token   lwa.Secret
	Expires time.Duration
	Life    time.Duration
	Scopes  string
}

func (a access) left(now time.Duration) time.Duration {
	if a.Token.IsZero() {
		return 0
	}
	return max(0, a.Expires-now)
}

// enough reports whether a program that wants minValid gets this token
// without a refresh. More than half of the life is never asked for: that
// would be a refresh for each question.
func (a access) enough(now, minValid time.Duration) bool {
	left := a.left(now)
	return left > 0 && left >= min(minValid, a.Life/2)
}
