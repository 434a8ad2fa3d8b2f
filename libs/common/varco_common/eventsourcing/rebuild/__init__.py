"""Projections built anew from the streams, compared with the live tables, swapped in by choice (docs/rebuild.md)."""
