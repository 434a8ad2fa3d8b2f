"""audit's tables, in small forward-only steps; the version before still runs on them."""
