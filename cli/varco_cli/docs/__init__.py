"""The pages that are generated from code: `python -m varco_cli.docs docs` writes them."""
