// Command lwa-man writes the manual pages of lwa-agent into a directory, for the
// package:
//
//	lwa-man [-version V] [-date YYYY-MM-DD] DIR
//	lwa-man -errors
//
// The pages are the help texts of the commands in the language of man(7), so that
// there is one place to mend. The second form prints the table of error codes that
// errors.md holds.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"lwa-agent/cmd/internal/cli"
	"lwa-agent/cmd/internal/config"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "lwa-man:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	var b book
	f := flag.NewFlagSet("lwa-man", flag.ContinueOnError)
	f.StringVar(&b.version, "version", "(devel)", "version of the package")
	f.StringVar(&b.date, "date", "1970-01-01", "day of the last change")
	table := f.Bool("errors", false, "print the table of error codes")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *table {
		_, err := io.WriteString(os.Stdout, markdown())
		return err
	}
	if f.NArg() != 1 {
		return errors.New("give the directory for the pages")
	}
	for _, p := range b.all() {
		if err := os.WriteFile(filepath.Join(f.Arg(0), p.name), p.text.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (b book) all() []*page {
	return b.pages(cli.Commands(cli.Streams{}), config.Example)
}
