"""What proves that no event was changed, dropped, added or moved: a Merkle tree, signed checkpoints, and their checks. Pure."""
