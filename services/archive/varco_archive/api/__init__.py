"""archive's HTTP API."""
