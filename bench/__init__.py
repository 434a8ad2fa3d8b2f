"""How fast the gate is, beside its peers in the same run: `python -m bench --help`."""
