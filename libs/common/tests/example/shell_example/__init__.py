"""A service's package as `db.migrate` sees it."""
