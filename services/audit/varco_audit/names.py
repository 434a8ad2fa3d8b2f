"""The name of this service on the bus, in subjects and in its settings."""

NAME = "audit"
