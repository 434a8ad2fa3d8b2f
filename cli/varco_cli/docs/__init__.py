"""Generates pages from the code: `python -m varco_cli.docs docs` writes them."""
