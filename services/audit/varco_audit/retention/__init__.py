"""Erases the records of MAIL that no service needs any more (ADR 19)."""
