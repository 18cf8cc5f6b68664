"""The `nta` command: parse, call the library, print. One file per command, options written once."""
