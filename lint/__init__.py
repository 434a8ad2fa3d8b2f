"""Checks of this project's own, for `make lint`: names and line lengths. Run `python -m lint [PATH ...]`."""
