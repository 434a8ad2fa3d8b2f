"""The index of EVENTS: one narrow row for each event, so that searches need not read the stream."""
