"""audit's HTTP API: a file for each router."""

from varco_audit.api import events, proof, traces

__all__ = ["events", "proof", "traces"]
