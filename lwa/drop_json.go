package lwa

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// parseJSON reads JSON. Keys count as they are written and only on the top
// level; encoding/json into a struct would take "CODE" too, and the last of two.
func parseJSON(s string) (Drop, error) {
	found := answerParts{}
	err := eachMember([]byte(s), func(key string, value json.RawMessage) error {
		if !slices.Contains([]string{"code", "state", "error", "error_description"}, key) || bytes.Equal(value, []byte("null")) {
			return nil
		}
		var text string
		if err := json.Unmarshal(value, &text); err != nil {
			return badDrop("the JSON has a code or state that is not a string", `write {"code":"…"}`)
		}
		return found.set(key, strings.TrimSpace(text))
	})
	switch {
	case errors.Is(err, errNoObject), errors.Is(err, errDamaged):
		return Drop{}, badDrop("the text is JSON with an error in it, or not all of it", `write {"code":"…"}`)
	case errors.Is(err, errMore):
		return Drop{}, badDrop("there is more text behind the JSON", `write {"code":"…"} and nothing else`)
	case err != nil:
		return Drop{}, err
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
