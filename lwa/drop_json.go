package lwa

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
)

// parseJSON reads JSON. Keys count as they are written and only on the top
// level; encoding/json into a struct would take "CODE" too, and the last of two.
func parseJSON(s string) (Drop, error) {
	broken := badDrop("the text is JSON with an error in it, or not all of it", `write {"code":"…"}`)
	dec := json.NewDecoder(strings.NewReader(s))
	if _, err := dec.Token(); err != nil {
		return Drop{}, broken
	}
	found := answerParts{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return Drop{}, broken
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return Drop{}, broken
		}
		name, _ := key.(string) // keys of an object are strings
		if !slices.Contains([]string{"code", "state", "error", "error_description"}, name) || bytes.Equal(value, []byte("null")) {
			continue
		}
		var text string
		if err := json.Unmarshal(value, &text); err != nil {
			return Drop{}, badDrop("the JSON has a code or state that is not a string", `write {"code":"…"}`)
		}
		if err := found.set(name, strings.TrimSpace(text)); err != nil {
			return Drop{}, err
		}
	}
	if _, err := dec.Token(); err != nil {
		return Drop{}, broken
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Drop{}, badDrop("there is more text behind the JSON", `write {"code":"…"} and nothing else`)
	}
	if !isAddress(found["code"]) {
		return found.drop()
	}
	d, err := parseWord(found["code"])
	if err != nil {
		return Drop{}, err
	}
	d.Address = false
	if state := found["state"]; state != "" && d.State != "" && state != d.State {
		return Drop{}, errTwice("state")
	}
	if d.State == "" {
		d.State = found["state"]
	}
	return d, nil
}
