package lwatest

import (
	"net/http"
	"slices"
	"strings"
)

type tokenInfo struct {
	Audience string `json:"aud"`
	UserID   string `json:"user_id"`
	Issuer   string `json:"iss"`
	// Seconds left, and not a point in time as in a JWT: Amazon's own meaning.
	Exp   int64  `json:"exp"`
	AppID string `json:"app_id"`
	// Seconds since 1970.
	IssuedAt int64 `json:"iat"`
}

func (s *Sim) tokenInfo(in incoming) answer {
	text := in.form.get("access_token")
	if text == "" {
		s.violation("tokeninfo without access_token")
		return *refuse(missing("access_token"))
	}
	t := s.live(text)
	if t == nil {
		return *refuse(refusal{status: http.StatusBadRequest, Error: "invalid_token", Description: "The access token provided is invalid, expired or revoked"})
	}
	return jsonAnswer(http.StatusOK, tokenInfo{
		Audience: t.clientID,
		UserID:   s.opts.UserID,
		Issuer:   "https://www.amazon.com",
		Exp:      int64(t.ends.Sub(s.opts.Now()).Seconds()),
		AppID:    "amzn1.application." + Hash(t.clientID),
		IssuedAt: t.made.Unix(),
	})
}

// live returns the access token if it is good at this moment.
func (s *Sim) live(text string) *access {
	t := s.accesses[Hash(text)]
	if t == nil || t.link.ended || !s.opts.Now().Before(t.ends) {
		return nil
	}
	return t
}

type profile struct {
	UserID     string `json:"user_id"`
	Email      string `json:"email,omitempty"`
	Name       string `json:"name,omitempty"`
	PostalCode string `json:"postal_code,omitempty"`
}

func (s *Sim) profile(in incoming) answer {
	t := s.live(in.bearer())
	if t == nil {
		a := refuse(refusal{status: http.StatusUnauthorized, Error: "invalid_token", Description: "The access token provided is invalid, expired or revoked"})
		a.header.Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		return *a
	}
	scopes := strings.Fields(t.scopes)
	out := profile{UserID: s.opts.UserID}
	if slices.Contains(scopes, "profile") {
		out.Name, out.Email = s.opts.AccountName, s.opts.AccountEmail
	}
	if slices.Contains(scopes, "postal_code") {
		out.PostalCode = "98109"
	}
	if out.Name == "" && out.PostalCode == "" && !slices.Contains(scopes, "profile:user_id") {
		return *refuse(refusal{status: http.StatusForbidden, Error: "insufficient_scope", Description: "The access token does not hold the scope profile"})
	}
	return jsonAnswer(http.StatusOK, out)
}
