"""archive's HTTP API. An account's token sees and changes that account only."""

from fastapi import APIRouter

from varco_archive.api import copies, copy_settings
from varco_archive.copy_service import CopyService


def router(service: CopyService) -> APIRouter:
    """All routes of the service."""
    api = APIRouter(tags=["archive"])
    copy_settings.add_routes(api, service)
    copies.add_routes(api, service)
    return api
