"""Proves that EVENTS is unaltered: Merkle tree, signed checkpoints, verification (ADR 20)."""
