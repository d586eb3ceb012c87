package main

import (
	"fmt"
	"strings"
)

// A problem is an error code with what it means and what to do: the code of
// last_error and warnings in the status, and of an answer that is not 2xx. What the
// agent says beside it names hosts, files and commands; this is for who sees the
// code alone, in a log or on a screen of their own.
//
// A test compares the codes with those of the source.
type problem struct{ Code, Means, Cure string }

const itself = "Nothing: it is tried again by itself."

// problems are in the order in which a device meets them.
var problems = []problem{ //nolint:gochecknoglobals // a constant table
	{"network", "Amazon cannot be found or reached.", "Check the network. It is tried again by itself."},
	{"timeout", "Amazon did not answer in time.", itself},
	{"clock", "Amazon's certificate is not valid at this device's time, which is probably wrong.", "Set the clock, or let it be set: timedatectl. It is tried again as soon as it is."},
	{"tls", "What answers in Amazon's place did not prove that it is Amazon.", "Look for a proxy or a firewall that opens TLS; if it is yours, install its certificate on the device."},
	{"not_oauth", "The answer is not Amazon's.", "If this network has a sign-in page, sign in there. It is tried again by itself."},
	{"server", "Amazon answers with an error of its own.", itself},

	{"invalid_grant", "On a refresh: the link was removed in the Amazon account. On a code: it was used, is older than 5 minutes, or belongs to another QR code.", "Link the device again, by the QR code that it shows now."},
	{"invalid_client", "Amazon does not know this client id with this client secret.", "Copy both again from \"Web settings\" in Amazon's console."},
	{"unauthorized_client", "Amazon does not let this client id link in this way.", "Code-based linking needs a client id of \"Other devices and platforms\"; one of \"Web settings\" needs client_secret_file and method = \"code\"."},
	{"invalid_request", "Amazon refuses the request: a client id, client secret or redirect_uri that does not fit.", "Do what the message says; lwa-agent doctor asks Amazon about each of them."},
	{"InvalidValue", "Amazon refuses a value, most often the client id.", "Copy client_id again, without braces or blanks."},
	{"invalid_scope", "Amazon does not accept these scopes for this client id.", "Check scopes, and product_id for alexa:all."},
	{"unsupported_grant_type", "The server does not know this way to link.", "Check [endpoints] and method."},
	{"no_refresh_token", "The answer holds no refresh token, so the link would end within the hour.", "A client id of \"Web settings\" needs client_secret_file; other servers may want a scope such as offline_access."},
	{"token_type", "The server gives tokens of another type than bearer.", "Set the client to bearer tokens at the server."},

	{"not_linked", "There is no link, so there is no token.", "Link it: lwa-agent link."},
	{"not_ready", "The link is not made yet.", "Wait a moment and try again."},
	{"access_denied", "The person who signed in pressed Cancel.", "Scan the QR code again and allow the device."},
	{"expired_token", "The code on the screen was not used in time.", "Nothing: another one is shown."},
	{"invalid_code_pair", "The code on the screen is no longer valid.", "Nothing: another one is shown."},
	{"unproven", "Amazon took the sign-in back before the device could use it.", "Sign in again."},
	{"not_a_code", "The text is neither a code nor the address that a browser ends at.", "Copy the whole address."},
	{"foreign_state", "The address is from another QR code or another device.", "Scan the QR code that this device shows now."},
	{"tried", "The code was tried before, and a code is good once.", "Scan the QR code again."},
	{"busy", "Another code or token is being tried.", "Wait a moment and try again."},
	{"too_many_codes", "More than ten codes and tokens in ten minutes.", "Wait a few minutes, then scan the QR code again."},
	{"method", "This device links by the code on its screen and needs none handed in.", "Scan the QR code and sign in."},
	{"linked", "The device is linked already.", "To link it anew: lwa-agent relink. To import: with --replace."},
	{"canceled", "What was handed in was called off by an unlink, a relink or a change of the configuration.", "Hand it in again, or scan the QR code that is shown now."},
	{"drop_refused", "A dropped file cannot be taken: nonsense, no regular file, larger than 4 KiB, unreadable, or another's.", "Do what the message says (chmod, chgrp), or drop the address as a new file."},
	{"inbox", "The drop directory is not there, cannot be watched, or a file in it cannot be removed.", "Do what the message says; systemctl restart lwa-agent makes the usual one again."},
	{"link_page", "The link page or the listener for the redirect has a port that is taken, no certificate, or no network.", "Change listen under [link_page], or end what has the port: ss -ltnp. The other ways stay open."},

	{"config", "The configuration has a mistake; the one of before stays in use.", "Mend the line that the message names."},
	{"store", "The state directory cannot be written, so a link would not be kept.", "Free space, or make it writable; status names the directory."},
	{"store_damaged", "The saved link was damaged, as by a worn SD card. The copy before it is used; the damaged file stays beside it.", "Replace the card. Where no copy is left: link the device again."},
	{"store_undecryptable", "The saved link is encrypted with a key that is not there.", "Give the agent that store-key again and restart it, or link the device again."},
	{"store_key", "The credential store-key has not 32 bytes, or cannot be read. Nothing is saved meanwhile.", "Make it again as encrypt.conf says, then restart the agent."},
	{"store_plain", "There is a store-key, and the link could not be encrypted yet.", "Free space, or make the state directory writable."},
	{"state_in_memory", "The state directory is in memory, so a link does not survive a reboot.", "Set state_dir to a directory on a disk."},
	{"state_on_fat", "The state directory is on FAT: a power cut can cost the link, and all may be able to read it.", "Set state_dir to a directory on ext4, for example."},
	{"other_board", "The link was made on another device, and if both use it, either can lose it.", "If the card was copied: lwa-agent unlink, and link it again. If the board was exchanged: nothing, or lwa-agent relink."},
	{"card_refused", "What is on the boot partition was not taken over, or not all of it.", "lwa-agent-RESULT.txt beside it says why. Mend it, then: sudo systemctl restart lwa-agent-provision lwa-agent."},
	{"access", "A rule of [[access]] names a user or group that this device does not have.", "Correct the name, or make that user or group: it is looked for every 30 s."},
	{"token_file", "A [[token_file]] cannot be written.", "Use a path below /run/lwa-agent, or allow another with ReadWritePaths= (systemctl edit lwa-agent)."},

	{"no_token", "There is a link, and no valid access token now.", "Ask again after the time in Retry-After."},
	{"denied", "This user may not use the socket, or a rule of [[access]] does not allow it this.", "Join its group and log in again: sudo usermod -aG lwa-agent USER. Or add what it may have to an [[access]] that names it, in config.toml."},
	{"too_many_connections", "The programs of this user have more than 32 connections.", "Close what is not used."},
	{"min_valid", "min_valid is not a duration.", "Write it like min_valid=60s."},
	{"too_long", "The text is longer than 8 KiB, or ended early.", "Send the code or the address alone."},
	{"not_a_token", "What was imported is no refresh token.", "See lwa-agent import --help for what it takes."},
	{"not_a_serial", "What was given is no serial number.", "1 to 128 visible characters."},
	{"other_client", "The imported token was given to another client id.", "Set the device up for that one: sudo lwa-agent setup."},
	{"other_serial", "The imported token was given to another serial number than config.toml says.", "Remove serial_number there, or give the right one."},
	{"display", "A display process sent what is no list of displays.", "Use the lwa-agent display of the same version."},
	{"not_found", "The socket knows no such request.", "See the README for its requests."},
	{"stopping", "The agent is stopping.", "Ask again in a moment."},
	{"internal", "A mistake in lwa-agent.", "Report it, with the output of lwa-agent doctor."},
}

// markdown is the table for errors.md.
func markdown() string {
	var b strings.Builder
	b.WriteString(`# Error codes

` + "`lwa-agent status --json`" + ` has one as the code of ` + "`last_error`" + ` and of each of its ` + "`warnings`" + `, and an answer of the socket that is not 2xx as its ` + "`error`" + `; message and hint beside it say more. Other words than these come from the server, when it refuses something in its own.

| code | means | what to do |
|---|---|---|
`)
	for _, p := range problems {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", p.Code, p.Means, p.Cure)
	}
	return b.String()
}
