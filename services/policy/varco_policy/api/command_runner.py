"""How a request becomes a change: who may, on which version, decided on the newest state, answered when it is applied."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, NamedTuple

from fastapi import Depends, Header, HTTPException, Path, Query

from varco_common.base.errors import NotFound, RefusedCommand
from varco_common.runtime.auth import Caller
from varco_policy import normalization
from varco_policy.account_directory import AccountDirectory
from varco_policy.api.schemas import ChangesOut, change_out
from varco_policy.commands import Change, Said
from varco_policy.desired_state import Owners
from varco_policy.model import Account
from varco_policy.permissions import refusal_for_account_token

AccountName = Annotated[str, Path(pattern=normalization.ACCOUNT_NAME, description="The account's name.")]
Reason = Annotated[str, Query(max_length=1_000, description="Why; it goes into the event.")]

Planned = Callable[[Account, Said], list[Change]]


class Call(NamedTuple):
    """Who asks, why, and which version of the account they have seen (None: whichever it is)."""

    by: str
    admin: bool
    reason: str
    expect: int | None


def call(
    token: Caller,
    reason: Reason = "",
    if_match: Annotated[str | None, Header(description="The version that the change is made for; else 409.")] = None,
) -> Call:
    """From the request. RFC 9110 13.1.1: the entity tag in quotes."""
    if if_match in (None, "*"):
        return Call(f"token:{token.id}", token.is_admin, reason, None)
    version = re.fullmatch(r'"?(\d{1,18})"?', if_match or "")
    if not version:
        raise HTTPException(422, 'If-Match is a version in quotes, as ETag has it: "123"')
    return Call(f"token:{token.id}", token.is_admin, reason, int(version[1]))


Asked = Annotated[Call, Depends(call)]


class CommandRunner:
    """The one way from a request to events. `now` is the clock, UTC."""

    def __init__(self, accounts: AccountDirectory, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.accounts, self.now = accounts, now
        self.owners = Owners(login=accounts.login_owner, network=accounts.network_owner)

    def existing(self, name: str) -> Account:
        """Raises NotFound."""
        if account := self.accounts.get(name):
            return account
        raise NotFound(f"there is no account {name}")

    async def change(self, name: str, asked: Call, planned: Planned) -> ChangesOut:
        """Changes an account that is there. Raises what `planned` raises, NotFound, ConflictError, TransientError."""

        def on_existing(account: Account | None, said: Said) -> list[Change]:
            if account is None:
                raise NotFound(f"there is no account {name}")
            return planned(account, said)

        return await self.apply(name, asked, on_existing)

    async def apply(
        self, name: str, asked: Call, planned: Callable[[Account | None, Said], list[Change]], *, dry_run: bool = False
    ) -> ChangesOut:
        """As `change`, but the account may be new. With `dry_run` only says what would be changed."""
        if name in normalization.RESERVED_NAMES:
            raise RefusedCommand(f"no account can be called {name}")
        said = Said(name, self.now(), asked.by, asked.reason)
        changes: list[Change] = []

        def decide(account: Account | None) -> Sequence[Change]:
            changes[:] = self._permitted(account, planned(account, said), asked)
            return changes

        if dry_run:
            version = await self.accounts.version(name)
            decide(self.accounts.get(name))
        else:
            await self.accounts.commit(name, lambda account: [c.event for c in decide(account)], expect=asked.expect)
            version = await self.accounts.version(name)
        return ChangesOut(account=name, applied=not dry_run, version=version, changes=[*map(change_out, changes)])

    def _permitted(self, account: Account | None, changes: list[Change], asked: Call) -> list[Change]:
        if not asked.admin and (
            why := refusal_for_account_token(account, changes, self.accounts.accounts_claiming_domain)
        ):
            raise HTTPException(403, why)
        return changes
