"""The operator's commands, one file a noun; each has `add(app)`."""
