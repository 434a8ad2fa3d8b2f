"""Past decisions verified or made under other rules, and past settings (docs/replay.md)."""
