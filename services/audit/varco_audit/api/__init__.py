"""audit's HTTP API: a file for each router."""

from varco_audit.api import events

__all__ = ["events"]
