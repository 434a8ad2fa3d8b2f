"""Measures how fast the gate is, and its peers in the same run: `python -m bench --help`."""
