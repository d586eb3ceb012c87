package cli

import (
	"bytes"
	"strings"
	"testing"
)

func TestTranscriptDoesNotFillTheDisk(t *testing.T) {
	var out bytes.Buffer
	w := &boundedWriter{out: &out, left: 10}
	if _, err := w.Write([]byte("12345678\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("90\n")); err == nil || !strings.Contains(err.Error(), "16 MiB") {
		t.Errorf("error %v; what is missing is to be said", err)
	}
	if _, err := w.Write([]byte("\n")); err == nil {
		t.Error("a line follows one that is missing; a replay would not notice")
	}
	if out.String() != "12345678\n" {
		t.Errorf("%q was written", out.String())
	}
}
