"""Builds projections again from the streams and compares them (docs/rebuild.md)."""
