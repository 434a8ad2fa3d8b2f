"""policy's HTTP API: one file a subject.

Every change is an event; the answer comes once this process has applied it.
"""

from fastapi import APIRouter

from varco_common.eventsourcing.projection import Projection
from varco_common.runtime.passwords import PasswordVerifier
from varco_common.runtime.token_signer import TokenSigner
from varco_policy.account_directory import AccountDirectory
from varco_policy.api import accounts, networks, rules, senders, tokens, users
from varco_policy.api.command_runner import CommandRunner
from varco_policy.model.admin_tokens import AdminTokens
from varco_policy.owned_domains import OwnedDomains


def router(
    directory: AccountDirectory,
    admin_tokens: Projection[AdminTokens],
    verifier: PasswordVerifier,
    signer: TokenSigner,
    owned_domains: OwnedDomains,
) -> APIRouter:
    """All routes of the service."""
    runner = CommandRunner(directory, owned_domains)
    api = APIRouter()
    for part in (
        accounts.router(runner, verifier),
        users.router(runner, verifier),
        senders.router(runner),
        networks.router(runner),
        rules.router(runner),
        tokens.router(runner, admin_tokens, signer),
    ):
        api.include_router(part)
    return api
