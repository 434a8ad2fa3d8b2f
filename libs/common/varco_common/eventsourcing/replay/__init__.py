"""Replay.

A service makes past decisions again, in a separate process, from events alone (docs/replay.md).
"""
