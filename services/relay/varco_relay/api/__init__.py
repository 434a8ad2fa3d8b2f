"""relay's HTTP API. An account's token reads and changes that account alone."""
