"""Finds events by what they are about, and reads them from EVENTS."""
