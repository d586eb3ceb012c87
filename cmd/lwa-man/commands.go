package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// book makes all pages.
type book struct{ version, date string }

// pages are those of the program, of each of its commands, of its configuration and
// of its error codes.
func (b book) pages(root *cobra.Command, config string) []*page {
	all := []*page{b.program(root)}
	for _, c := range commandsOf(root) {
		all = append(all, b.command(root, c))
	}
	return append(all, b.configuration(config), b.errors())
}

// commandsOf leaves out those that are hidden, since they are no person's business.
func commandsOf(root *cobra.Command) (all []*cobra.Command) {
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() {
			all = append(all, c)
		}
	}
	return all
}

func pageOf(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

func (b book) program(root *cobra.Command) *page {
	p := newPage(root.Name(), 1, lowerFirst(root.Short), b.version, b.date)
	p.section("SYNOPSIS")
	p.line(root.Name() + " COMMAND [OPTION]...")
	p.section("DESCRIPTION")
	p.prose(root.Long)
	p.section("COMMANDS")
	var also []string
	for _, c := range commandsOf(root) {
		p.entry(c.Name(), c.Short+".")
		also = append(also, pageOf(c)+".1")
	}
	b.options(p, "OPTIONS", root.PersistentFlags().FlagUsages())
	if root.Example != "" {
		p.section("EXAMPLES")
		p.verbatim(dedent(root.Example))
	}
	p.section("FILES")
	p.entry("/etc/lwa-agent/config.toml", "The configuration.")
	p.entry("/var/spool/lwa-agent/", "Drop a code or the address that the browser ended at here, as a file of any name.")
	p.entry("/var/lib/lwa-agent/", "The link and the serial number.")
	p.entry("/run/lwa-agent/agent.sock", "The socket for programs.")
	p.entry("/usr/share/doc/lwa-agent/README.md", "How all of it is used, with examples beside it.")
	p.seeAlso(append(also, "lwa-agent-config.5", "lwa-agent-errors.7")...)
	return p
}

func (b book) command(root, c *cobra.Command) *page {
	p := newPage(pageOf(c), 1, lowerFirst(c.Short), b.version, b.date)
	p.section("SYNOPSIS")
	p.line(c.UseLine())
	p.section("DESCRIPTION")
	if c.Long != "" {
		p.prose(c.Long)
	} else {
		p.prose(c.Short + ".")
	}
	b.options(p, "OPTIONS", c.NonInheritedFlags().FlagUsages()+root.PersistentFlags().FlagUsages())
	if c.Example != "" {
		p.section("EXAMPLES")
		p.verbatim(dedent(c.Example))
	}
	p.section("EXIT STATUS")
	p.prose("0 done, 1 failed, 2 wrong usage, 3 not linked.")
	p.seeAlso("lwa-agent.1", "lwa-agent-config.5", "lwa-agent-errors.7")
	return p
}

// options writes what --help shows of flags: each on a line, its words after two
// blanks or more.
func (b book) options(p *page, title, usages string) {
	if strings.TrimSpace(usages) == "" {
		return
	}
	p.section(title)
	for line := range strings.Lines(usages) {
		flag, says, found := strings.Cut(strings.TrimSpace(line), "  ")
		if !found || !strings.HasPrefix(flag, "-") {
			p.line(strings.TrimSpace(line)) // goes on
			continue
		}
		p.entry(flag, strings.TrimSpace(says))
	}
}

func (b book) configuration(example string) *page {
	p := newPage("lwa-agent-config", 5, "configuration of lwa-agent", b.version, b.date)
	p.section("DESCRIPTION")
	p.prose(`/etc/lwa-agent/config.toml, or the file that --config names, is TOML. Every setting
follows with its default. A change is noticed while the agent runs; one with a
mistake is not taken over, and lwa-agent status names the line.`)
	p.section("SETTINGS")
	p.verbatim(example)
	p.seeAlso("lwa-agent.1", "lwa-agent-setup.1")
	return p
}

func (b book) errors() *page {
	p := newPage("lwa-agent-errors", 7, "error codes of lwa-agent, and what to do", b.version, b.date)
	p.section("DESCRIPTION")
	p.prose(`Codes of last_error and warnings in "lwa-agent status --json", and of answers of the
socket that are not 2xx. Other words than these come from the server.`)
	p.section("CODES")
	for _, e := range problems {
		p.entry(e.Code, fmt.Sprintf("%s %s", e.Means, e.Cure))
	}
	p.seeAlso("lwa-agent.1", "lwa-agent-status.1", "lwa-agent-doctor.1")
	return p
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

// dedent takes the two blanks away that examples of cobra begin with.
func dedent(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.TrimPrefix(line, "  "))
	}
	return b.String()
}
