"""The public download server for the linked files."""
