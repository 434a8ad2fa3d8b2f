"""filelink's HTTP API."""
