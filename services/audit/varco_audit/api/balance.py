"""The balance over HTTP."""

from datetime import UTC, datetime
from time import time
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel

from varco_audit.api.event_models import utc
from varco_audit.reconciliation.checker import BalanceChecker, UnaccountedMail
from varco_audit.reconciliation.counts import OutstandingMail
from varco_audit.reconciliation.store import BalanceStore, HourlyCounts
from varco_common.runtime.auth import Caller


class BalanceLineOut(BaseModel):
    """Recipients of mails of one account and kind that were accepted in the hour that begins then.

    accepted = delivered + bounced + expired + dropped + in_flight + unaccounted, where all is well with the unaccounted 0.
    """

    account: str
    hour: datetime
    kind: str
    accepted: int
    delivered: int
    bounced: int
    expired: int
    dropped: int
    in_flight: int = 0
    unaccounted: int = 0
    balanced: bool = True

    @classmethod
    def of(cls, sums: HourlyCounts) -> "BalanceLineOut":
        return cls(**sums._asdict() | {"hour": datetime.fromtimestamp(sums.hour * 3600, UTC)})


class UnaccountedMailOut(BaseModel):
    """A mail that is owed and that nobody has."""

    mail: str
    account: str
    kind: str
    sequence: int
    at: datetime
    recipients: list[str]
    why: str

    @classmethod
    def of(cls, lost: UnaccountedMail) -> "UnaccountedMailOut":
        debt = lost.debt
        at = datetime.fromtimestamp(debt.at_ms / 1000, UTC)
        return cls(
            mail=debt.mail,
            account=debt.account,
            kind=debt.kind,
            sequence=debt.sequence,
            at=at,
            recipients=debt.left,
            why=lost.why,
        )


class BalanceOut(BaseModel):
    """As of the event at `applied`."""

    applied: int
    lines: list[BalanceLineOut]
    unaccounted: list[UnaccountedMailOut]


def router(ledger: BalanceStore, inspector: BalanceChecker) -> APIRouter:
    """The one route."""
    api = APIRouter(tags=["balance"])

    @api.get("/balance")
    async def balance(
        token: Caller,
        since: Annotated[
            datetime | None, Query(description="Mails accepted in that hour or later; without an offset it is UTC.")
        ] = None,
        account: str = "",
    ) -> BalanceOut:
        """By hour and account, with every mail that nobody can account for. An account's token sees its own alone."""
        if not token.is_admin:
            if account not in ("", token.scope):
                raise HTTPException(403, f"This token is for account {token.scope} alone.")
            account = token.scope
        lost = [one for one in await inspector.look() if account in ("", one.debt.account)]
        lines = [BalanceLineOut.of(sums) for sums in await ledger.lines(utc(since), account)]
        _spread(lines, await ledger.owed(int(time() * 1000) + 60_000), {one.debt.mail for one in lost})
        return BalanceOut(applied=ledger.applied, lines=lines, unaccounted=[UnaccountedMailOut.of(one) for one in lost])

    return api


def _spread(lines: list[BalanceLineOut], owed: list[OutstandingMail], lost: set[str]) -> None:
    places = {(line.account, int(line.hour.timestamp()) // 3600, line.kind): line for line in lines}
    for debt in owed:
        if line := places.get((debt.account, debt.hour, debt.kind)):
            if debt.mail in lost:
                line.unaccounted += len(debt.left)
            else:
                line.in_flight += len(debt.left)
    for line in lines:
        known = line.delivered + line.bounced + line.expired + line.dropped + line.in_flight + line.unaccounted
        line.balanced = line.accepted == known
