"""The route of the balance (docs/balance.md)."""

from datetime import UTC, datetime
from time import time
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from varco_audit.reconciliation.checker import BalanceChecker, UnaccountedMail
from varco_audit.reconciliation.counts import OutstandingMail
from varco_audit.reconciliation.store import BalanceLine, BalanceStore
from varco_common.base.timestamps import as_utc
from varco_common.runtime.auth import Caller, visible_account

_CLOCK_SKEW_MS = 60_000  # between the bus and this machine


class UnaccountedMailOut(BaseModel):
    """A mail that no service accounts for."""

    mail: str
    account: str
    kind: str
    sequence: int
    at: datetime
    recipients: list[str]
    why: str

    @classmethod
    def of(cls, unaccounted: UnaccountedMail) -> "UnaccountedMailOut":
        mail = unaccounted.mail
        return cls(
            mail=mail.mail,
            account=mail.account,
            kind=mail.kind,
            sequence=mail.sequence,
            at=datetime.fromtimestamp(mail.at_ms / 1000, UTC),
            recipients=mail.left,
            why=unaccounted.why,
        )


class BalanceOut(BaseModel):
    """As of the event at `applied`."""

    applied: int
    lines: list[BalanceLine]
    unaccounted: list[UnaccountedMailOut]


def router(store: BalanceStore, checker: BalanceChecker) -> APIRouter:
    """The only route."""
    api = APIRouter(tags=["balance"])

    @api.get("/balance")
    async def balance(
        token: Caller,
        since: Annotated[
            datetime | None, Query(description="Mails accepted in that hour or later; without an offset it is UTC.")
        ] = None,
        account: str = "",
    ) -> BalanceOut:
        """By hour and account, with all unaccounted mails. An account's token sees its own."""
        account = visible_account(token, account)
        unaccounted = [lost for lost in await checker.check() if account in ("", lost.mail.account)]
        lines = await store.lines(as_utc(since), account)
        outstanding = await store.outstanding(int(time() * 1000) + _CLOCK_SKEW_MS)
        _add_outstanding(lines, outstanding, {lost.mail.mail for lost in unaccounted})
        return BalanceOut(
            applied=store.applied, lines=lines, unaccounted=[UnaccountedMailOut.of(lost) for lost in unaccounted]
        )

    return api


def _add_outstanding(lines: list[BalanceLine], outstanding: list[OutstandingMail], unaccounted: set[str]) -> None:
    by_key = {(line.account, int(line.hour.timestamp()) // 3600, line.kind): line for line in lines}
    for mail in outstanding:
        if line := by_key.get(mail.line):
            if mail.mail in unaccounted:
                line.unaccounted += len(mail.left)
            else:
                line.in_flight += len(mail.left)
    for line in lines:
        known = line.delivered + line.bounced + line.expired + line.dropped + line.in_flight + line.unaccounted
        line.balanced = line.accepted == known
