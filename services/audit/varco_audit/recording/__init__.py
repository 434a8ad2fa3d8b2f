"""Copies the header of each record of MAIL into EVENTS, which then has every ballot (ADR 17)."""
