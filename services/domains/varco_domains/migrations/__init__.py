"""domains' tables: small, forward-only steps; the version before still runs."""
