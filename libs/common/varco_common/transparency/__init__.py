"""Proofs that no event was changed, dropped, added or moved: a Merkle tree and signed checkpoints.

Pure.
"""
