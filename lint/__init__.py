"""This project's own checks of names and line lengths: `python -m lint [PATH ...]`."""
