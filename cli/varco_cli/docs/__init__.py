"""The generated documents: what code declares, as pages. `python -m varco_cli.docs docs` writes them."""
