"""Past decisions again: verified, made under other rules, and settings as they were (docs/replay.md)."""
