"""console's HTTP API: people and their links, for the command line."""
