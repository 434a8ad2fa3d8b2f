"""audit's HTTP API: one file for each router."""

from varco_audit.api import balance, changes, dead_letters, events, proof, replay, traces

__all__ = ["balance", "changes", "dead_letters", "events", "proof", "replay", "traces"]
