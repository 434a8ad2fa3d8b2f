"""The generated documents: what code declares, as pages. `python -m varco_common.docs docs` writes them."""
