"""The operator's commands. Each noun has one file, and main.py lists them."""
