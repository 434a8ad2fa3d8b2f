"""Runs commands on accounts: checks what the token may change, answers with what was changed."""

from collections.abc import Callable

from fastapi import HTTPException

from varco_common.base.errors import NotFound, RefusedCommand
from varco_common.eventsourcing.command_executor import CommandExecutor
from varco_common.eventsourcing.commands import Change, CommandContext, CommandRequest, Decide
from varco_common.mail.mail_providers import is_mail_provider
from varco_common.runtime.command_api import ChangedOut
from varco_policy.account_directory import AccountDirectory
from varco_policy.desired_state import Owners
from varco_policy.model.account import Account
from varco_policy.normalization import RESERVED_NAMES
from varco_policy.owned_domains import OwnedDomains
from varco_policy.permissions import DomainFacts, refusal_for_account_token
from varco_policy.public_domains import is_public_suffix

AccountDecision = Callable[[Account, CommandContext], list[Change]]


class CommandRunner:
    """`change` and `apply` raise what the decision raises, ConflictError, TransientError, 403."""

    def __init__(self, accounts: AccountDirectory, owned_domains: OwnedDomains) -> None:
        self.accounts = accounts
        self.owners = Owners(login=accounts.login_owner, network=accounts.network_owner)
        self._owned_domains = owned_domains
        self._domains = DomainFacts(
            accounts.accounts_claiming_domain, is_public_suffix, is_mail_provider, owned_domains.ownership
        )
        self._executor = CommandExecutor(accounts.projection)

    def existing(self, name: str) -> Account:
        """Raises NotFound."""
        return _existing(self.accounts.get(name), name)

    async def change(self, name: str, request: CommandRequest, decide: AccountDecision) -> ChangedOut:
        """Changes an account that exists, or raises NotFound."""
        return await self.apply(name, request, lambda account, context: decide(_existing(account, name), context))

    async def apply(self, name: str, request: CommandRequest, decide: Decide[Account]) -> ChangedOut:
        """Changes an account, or opens it."""
        if name in RESERVED_NAMES:
            raise RefusedCommand(f"no account can be called {name}")

        if not request.is_admin:
            await self._owned_domains.catch_up(name)

        def permitted(account: Account | None, context: CommandContext) -> list[Change]:
            changes = decide(account, context)
            if not request.is_admin and (refusal := refusal_for_account_token(account, changes, self._domains)):
                raise HTTPException(403, refusal)
            return changes

        return ChangedOut.of(await self._executor.execute(name, request, permitted))


def _existing(account: Account | None, name: str) -> Account:
    if account is None:
        raise NotFound(f"there is no account {name}")
    return account
