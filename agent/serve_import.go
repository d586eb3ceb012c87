package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"lwa-agent/lwa"
)

// postImport takes the refresh token of another program over. Who may hand in a
// code may do this: by either, the device ends up with the account of whoever
// asks.
func (a *Agent) postImport(w http.ResponseWriter, r *http.Request) {
	body, ok := readBody(w, r)
	if !ok {
		return
	}
	var asked struct {
		Refresh  string `json:"refresh_token"`
		ClientID string `json:"client_id"`
		Serial   string `json:"serial_number"`
		Replace  bool   `json:"replace"`
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err := d.Decode(&asked)
	if _, after := d.Token(); err == nil && !errors.Is(after, io.EOF) {
		err = errors.New("text after it")
	}
	// Of the decoder's error nothing is told, for it quotes the body.
	switch {
	case err != nil || !lwa.IsRefreshToken(asked.Refresh):
		fail(w, http.StatusBadRequest, Problem{
			Code: "not_a_token", Message: "that is no refresh token",
			Hint: `send {"refresh_token":"…"}, with client_id, serial_number and replace if wanted; or use: lwa-agent import`,
		})
	case asked.Serial != "" && !isSerial(asked.Serial):
		fail(w, http.StatusBadRequest, Problem{Code: "not_a_serial", Message: "that is no serial number", Hint: "1 to 128 visible characters"})
	default:
		token := lwa.NewSecret(asked.Refresh)
		a.changeBy(w, r, http.StatusNoContent, func(id uint64) event {
			return importAsked{id, token, asked.ClientID, asked.Serial, asked.Replace}
		})
	}
}
