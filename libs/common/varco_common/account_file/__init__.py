"""An account as a YAML file: how it is read, checked, sent to its owners and printed."""
