"""Backup and restore of streams, objects, databases and, on request, secrets."""
