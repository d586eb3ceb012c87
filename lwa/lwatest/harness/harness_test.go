package harness

import (
	"os"
	"testing"
)

func TestAgainIsAProcessOfItsOwnWithNamespaces(t *testing.T) {
	const parent = "LWA_AGENT_TEST_PARENT"
	before, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	if !Again(t, Place{Attr: Namespaces(), Env: []string{parent + "=" + before}}) {
		return
	}
	if told := os.Getenv(parent); told == "" || told == before || os.Geteuid() != 0 {
		t.Errorf("the network is %s and was %s, user %d; want another one, and root in it", before, told, os.Geteuid())
	}
}

// What the other process misses must not pass for tested.
func TestWhatIsMissingInTheOtherProcessIsMissing(t *testing.T) {
	t.Setenv("CI", "")
	skipped := false
	t.Run("misses", func(t *testing.T) {
		t.Cleanup(func() { skipped = t.Skipped() })
		if Again(t, Place{}) {
			Missing(t, "something")
		}
	})
	if !skipped {
		t.Error("the other process skipped the test, and here it passed")
	}
}
