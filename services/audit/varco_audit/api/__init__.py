"""audit's HTTP API: a file for each router."""

from varco_audit.api import balance, deadletters, events, proof, replay, traces

__all__ = ["balance", "deadletters", "events", "proof", "replay", "traces"]
