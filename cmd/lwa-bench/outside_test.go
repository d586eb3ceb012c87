package main

import "testing"

func TestEnvironmentOfAUnit(t *testing.T) {
	got := environmentIn("[Service]\n#Environment=NO=1\nEnvironment=GOMEMLIMIT=40MiB A=b\nEnvironment=ID=%b\n")
	if len(got) != 2 || got[0] != "GOMEMLIMIT=40MiB" || got[1] != "A=b" {
		t.Errorf("environment %q, want GOMEMLIMIT and A: only systemd knows what a %% stands for", got)
	}
}

func TestAnswerIsWholeWhenItsBodyIs(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4\r\nDate: x\r\n\r\n"
	for text, want := range map[string]bool{head[:20]: false, head: false, head + "123": false, head + "1234": true} {
		if _, whole, err := bodyOf([]byte(text)); whole != want || err != nil {
			t.Errorf("whole is %t (%v) with %d bytes, want %t", whole, err, len(text), want)
		}
	}
	for _, text := range []string{"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"} {
		if _, _, err := bodyOf([]byte(text)); err == nil {
			t.Errorf("%q is taken: a refusal would be timed as a hand-out", text)
		}
	}
}

func TestProcessorHasAName(t *testing.T) {
	for text, want := range map[string]string{
		"processor\t: 0\nmodel name\t: AMD EPYC\nbogomips: 1\n":                  "AMD EPYC",
		"model name\t: ARMv6\nHardware\t: BCM2835\nModel\t\t: Raspberry Pi Zero": "Raspberry Pi Zero",
		"": "none",
	} {
		if got := processor(text, "none"); got != want {
			t.Errorf("the processor is %q, want %q", got, want)
		}
	}
}

func TestCountersOfTheKernel(t *testing.T) {
	const status = "VmRSS:\t  1204 kB\nvoluntary_ctxt_switches:\t42\n"
	if n, err := counter(status, "VmRSS"); n != 1204 || err != nil {
		t.Errorf("VmRSS is %d (%v), want 1204", n, err)
	}
	if _, err := counter(status, "RssAnon"); err == nil {
		t.Error("a counter that is not there has a value: the table would show 0")
	}
}
