"""What became of one mail, told from its events."""
