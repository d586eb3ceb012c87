package agent

import "os"

// CardRefused is what a device says whose configuration from the boot partition was
// refused. The one from before is in use, so that nothing else would tell.
func CardRefused() Warning {
	return Warning{
		"card_refused", "what is on the boot partition was not taken over, or not all of it",
		"it says why: cat /boot/firmware/lwa-agent-RESULT.txt, or journalctl -b -u lwa-agent-provision; then: sudo systemctl restart lwa-agent-provision lwa-agent",
	}
}

// cardNotice looks for the note of whoever takes that over. The sandbox keeps us
// from systemd, which would know, and that partition may be none that we may read,
// or one that hangs.
func (a *Agent) cardNotice() Warning {
	if a.cfg.CardNote == "" {
		return Warning{}
	}
	if _, err := os.Lstat(a.cfg.CardNote); err != nil {
		return Warning{}
	}
	return CardRefused()
}
