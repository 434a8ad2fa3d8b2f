"""Rehearsals: a voter decides given ballots again, in a process of its own, from events alone (docs/replay.md)."""
