"""audit's tables: small, forward-only steps; the version before still runs. One file for each thing that audit keeps."""
