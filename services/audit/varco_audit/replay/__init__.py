"""Decisions again: verified, imagined under other rules, and settings as they were (docs/replay.md)."""
