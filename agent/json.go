package agent

import (
	"bytes"
	"encoding/json"
)

// line is v as JSON on one line, with the line's end. Unlike json.Marshal it
// leaves & as it is: people copy addresses out of it. v must be of a type that
// always can be JSON.
func line(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v)
	return b.Bytes()
}
