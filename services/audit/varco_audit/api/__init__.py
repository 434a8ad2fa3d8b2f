"""audit's HTTP API: a file for each router."""

from varco_audit.api import events, proof, replay, traces

__all__ = ["events", "proof", "replay", "traces"]
