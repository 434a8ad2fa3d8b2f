"""audit's HTTP API: a file for each router."""

from varco_audit.api import deadletters, events, proof, replay, traces

__all__ = ["deadletters", "events", "proof", "replay", "traces"]
