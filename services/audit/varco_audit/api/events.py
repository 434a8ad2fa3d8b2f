"""Events over HTTP: searched, fetched, followed."""

from fastapi import APIRouter


def router() -> APIRouter:
    """All routes about events."""
    return APIRouter(tags=["events"])
