package agent

import (
	"fmt"
	"math/rand/v2"
	"time"

	"lwa-agent/lwa"
)

// amazonModel is what Amazon knows: which codes and tokens it gave, and which of
// them are good. It is no client's business, so a wrong guess of the machine's
// shows.
type amazonModel struct {
	rng     *rand.Rand
	rotates int // 0: the same refresh token again; 1: a new one, the old good until it is used; 2: none in the answer
	serial  int
	codes   map[string]*codeModel
	grants  map[string]*grantModel // by refresh token
	pairs   map[string]*pairModel  // by device code
}

type codeModel struct {
	attempt   string // its state
	presented int
}

type pairModel struct {
	allowed, used bool
}

// grantModel is a refresh token. link is shared by those that came of one sign-in.
type grantModel struct {
	link   *linkModel
	parent *grantModel
	dead   bool
}

type linkModel struct{ revoked bool }

func newAmazonModel(rng *rand.Rand) *amazonModel {
	return &amazonModel{
		rng: rng, rotates: rng.IntN(3), codes: map[string]*codeModel{}, grants: map[string]*grantModel{}, pairs: map[string]*pairModel{},
	}
}

func (a *amazonModel) name(kind string) string { a.serial++; return fmt.Sprint(kind, a.serial) }

// signIn is the person with the phone, who comes back with a code.
func (a *amazonModel) signIn(state string) string {
	code := a.name("code-of-a-person-")
	a.codes[code] = &codeModel{attempt: state}
	return code
}

func (a *amazonModel) good(refresh string) bool {
	g := a.grants[refresh]
	return g != nil && !g.dead && !g.link.revoked
}

// serve does what a request asks for. The answer may be lost all the same.
func (a *amazonModel) serve(e effect) answered {
	switch e := e.(type) {
	case exchange:
		c := a.codes[e.code.Reveal()]
		if c == nil {
			return answered{err: errSpent}
		}
		c.presented++
		if c.presented > 1 || c.attempt != e.attempt.State {
			return answered{err: errSpent}
		}
		return answered{token: a.give(&linkModel{}, nil)}
	case refresh:
		g := a.grants[e.token.Reveal()]
		if g == nil || g.dead || g.link.revoked {
			return answered{err: errRevoked}
		}
		if g.parent != nil {
			g.parent.dead = true
		}
		switch a.rotates {
		case 1:
			return answered{token: a.give(g.link, g)}
		case 2:
			return answered{token: token(a.name("Atza|"), hour)}
		}
		return answered{token: linkToken(a.name("Atza|"), e.token.Reveal(), hour)}
	case createPair:
		p := testPair(a.name("pair"))
		a.pairs[p.DeviceCode.Reveal()] = &pairModel{}
		return answered{pair: p}
	case poll:
		p := a.pairs[e.pair.DeviceCode.Reveal()]
		switch {
		case p == nil || p.used:
			return answered{err: &lwa.Error{Kind: lwa.Spent, Code: "invalid_code_pair"}}
		case !p.allowed:
			return answered{err: errPending}
		}
		p.used = true
		return answered{token: a.give(&linkModel{}, nil)}
	default:
		return answered{account: "Ada"}
	}
}

func (a *amazonModel) give(l *linkModel, parent *grantModel) lwa.Token {
	refresh := a.name("Atzr|")
	a.grants[refresh] = &grantModel{link: l, parent: parent}
	return linkToken(a.name("Atza|"), refresh, hour)
}

// trouble is one of the ways in which a call fails without Amazon's having said
// anything about it; nil as often as not.
func (a *amazonModel) trouble() *lwa.Error {
	switch a.rng.IntN(16) {
	case 0:
		return errDown
	case 1:
		return &lwa.Error{Kind: lwa.Passing, Code: "server", RetryAfter: time.Duration(1+a.rng.IntN(600)) * time.Second}
	case 2:
		return &lwa.Error{Kind: lwa.Passing, Code: "timeout"}
	case 3:
		return &lwa.Error{Kind: lwa.Passing, Code: "not_oauth"}
	case 4:
		return &lwa.Error{Kind: lwa.Passing, Code: "clock", Unsent: true}
	case 5, 6:
		return errUnsent
	case 7:
		return errConfig
	}
	return nil
}
