"""domains' HTTP API."""
