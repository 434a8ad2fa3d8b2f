"""audit's HTTP API: one file for each router."""

from varco_audit.api import balance, dead_letters, events, proof, replay, traces

__all__ = ["balance", "dead_letters", "events", "proof", "replay", "traces"]
