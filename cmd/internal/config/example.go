package config

import _ "embed"

//go:embed config.example.toml
var example string

// Example returns a configuration file with every setting in it, each with its
// default and a sentence, and with client_id left to fill in.
func Example() string { return example }
