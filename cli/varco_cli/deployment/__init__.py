"""Prepares a deployment with docker compose: its files, its streams and its databases."""
