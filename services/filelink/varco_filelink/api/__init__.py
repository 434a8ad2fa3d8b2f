"""filelink's HTTP API. An account's token sees and changes that account only."""

from datetime import timedelta

from fastapi import APIRouter

from varco_common.eventsourcing.projection import Projection
from varco_filelink.api import link_settings, links
from varco_filelink.link_addresses import LinkAddresses
from varco_filelink.link_store import LinkStore
from varco_filelink.model.account_settings import LinkSettings


def router(
    accounts: Projection[LinkSettings],
    store: LinkStore,
    addresses: LinkAddresses,
    default_base_url: str,
    max_keep: timedelta,
) -> APIRouter:
    """All routes of the service. `max_keep` bounds what an account's own token may ask for."""
    api = APIRouter()
    link_settings.add_routes(api, accounts, default_base_url, max_keep)
    links.add_routes(api, store, addresses, max_keep)
    return api
