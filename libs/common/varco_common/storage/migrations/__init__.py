"""What alembic runs for every service. The revisions are in each service's own package."""
