"""policy's HTTP API: one file a subject. Every change is an event; its answer comes when this process has applied it."""

from fastapi import APIRouter

from varco_common.eventsourcing.projection import Projection
from varco_common.runtime.passwords import PasswordVerifier
from varco_common.runtime.tokens import Keyring
from varco_policy.api import accounts, networks, rules, senders, tokens, users
from varco_policy.api.commands import Commands
from varco_policy.store import Accounts
from varco_policy.tokens import AdminTokens


def router(held: Accounts, admins: Projection[AdminTokens], verifier: PasswordVerifier, keyring: Keyring) -> APIRouter:
    """All routes of the service."""
    commands = Commands(held)
    api = APIRouter()
    for part in (
        accounts.router(commands, verifier),
        users.router(commands, verifier),
        senders.router(commands),
        networks.router(commands),
        rules.router(commands),
        tokens.router(commands, admins, keyring),
    ):
        api.include_router(part)
    return api
