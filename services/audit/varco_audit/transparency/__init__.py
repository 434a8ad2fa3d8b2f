"""audit's part in the proof: the tree over EVENTS, the checkpoints that it signs, and what it answers about both."""
