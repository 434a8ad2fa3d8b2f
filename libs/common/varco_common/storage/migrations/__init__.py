"""What alembic runs for every service; the revisions themselves lie in each service's own package."""
