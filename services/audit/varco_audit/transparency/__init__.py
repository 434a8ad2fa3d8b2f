"""Proves that EVENTS is unaltered: a Merkle tree over it, signed checkpoints, verification (ADR 20)."""
