"""Who can account for what is owed: MAIL must have the record, and whoever owes it must say that it isn't done with it."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from time import time
from typing import NamedTuple

import msgspec

from varco_audit import metrics
from varco_audit.reconciliation.counts import FILTERS, OutstandingMail
from varco_audit.reconciliation.store import BalanceStore
from varco_audit.recording.mail_recorder import RECORDS
from varco_common.base import log
from varco_common.base.errors import TransientError
from varco_common.bus import Bus
from varco_common.storage import retention
from varco_common.storage.retention import RetentionQuery

GONE = "its record is gone from MAIL"
SILENT = "{service} is done with its record, and said nothing of these recipients"
_AT_ONCE = 1_000
_ANSWER_SECONDS = 10.0
_BEHIND_SECONDS = 5.0
_LOOK_SECONDS = 0.05
_log = log.get(__name__)


class UnaccountedMail(NamedTuple):
    """A mail that is owed and that nobody has: whom it didn't reach, as far as anybody knows."""

    debt: OutstandingMail
    why: str


class BalanceChecker:
    """`lost` is what was found last. `recorded` gives the sequence up to which MAIL is in EVENTS.

    `parked` says whether a record is a dead letter: then it is somebody's.
    """

    def __init__(
        self,
        bus: Bus,
        ledger: BalanceStore,
        recorded: Callable[[], int],
        parked: Callable[[int], bool],
        *,
        grace: float,
        every: float,
    ) -> None:
        self._recorded = recorded
        self._bus, self._ledger, self._parked = bus, ledger, parked
        self._grace, self._every = grace, every
        self._known: set[str] = set()
        self.lost: list[UnaccountedMail] = []

    async def run(self) -> None:
        """Looks again and again, until cancelled."""
        while True:
            await asyncio.sleep(self._every)
            try:
                await self.look()
            except TransientError as error:
                _log.warning("the balance can't be looked into at present", error=str(error))

    async def look(self) -> list[UnaccountedMail]:
        """What is unaccounted for now. Raises TransientError where the balance is behind, or the bus is away."""
        await self._caught_up()
        owed = await self._ledger.owed(int((time() - self._grace) * 1000))
        suspects = await self._suspects(owed)
        if suspects:  # whoever was done with one meanwhile has said so by now
            await self._caught_up()
            names = [suspect.debt.mail for suspect in suspects]
            still = {debt.mail: debt for debt in await self._ledger.owed(int(time() * 1000), names)}
            suspects = [one for one in suspects if still.get(one.debt.mail) == one.debt]
        self._tell(suspects)
        metrics.IN_FLIGHT.set(sum(len(debt.left) for debt in owed) - recipients_of(suspects))
        return suspects

    async def _caught_up(self) -> None:
        """What is in MAIL is in EVENTS, and what is there is counted: a converted mail must not look like a lost one."""
        last = await self._bus.mail.last_sequence(RECORDS)
        try:
            async with asyncio.timeout(_BEHIND_SECONDS):
                while self._recorded() < last:  # noqa: ASYNC110 - the scribe says how far it is, not when
                    await asyncio.sleep(_LOOK_SECONDS)
        except TimeoutError:
            raise TransientError("not all of MAIL is written down in EVENTS yet") from None
        await self._ledger.reached(await self._bus.events.last_sequence(*FILTERS))

    async def _suspects(self, owed: Sequence[OutstandingMail]) -> list[UnaccountedMail]:
        if not owed:
            return []
        gone = await self._bus.mail.missing(debt.sequence for debt in owed)
        needed = await self._needed(owed)
        found = []
        for debt in owed:
            if self._parked(debt.sequence):
                continue
            service, known = _owner(debt), needed.get(debt.subject)
            if debt.sequence in gone:
                found.append(UnaccountedMail(debt, GONE))
            elif known is not None and debt.sequence not in known:
                found.append(UnaccountedMail(debt, SILENT.format(service=service)))
        return found

    async def _needed(self, owed: Sequence[OutstandingMail]) -> dict[str, set[int] | None]:
        """By subject what its owner isn't done with; None where the owner is away: then it is believed to be waiting."""
        asked: dict[str, list[int]] = defaultdict(list)
        owners: dict[str, str] = {}
        for debt in owed:
            asked[debt.subject].append(debt.sequence)
            owners[debt.subject] = _owner(debt)
        return {subject: await self._ask(owners[subject], subject, sorted(found)) for subject, found in asked.items()}

    async def _ask(self, service: str, subject: str, sequences: list[int]) -> set[int] | None:
        needed: set[int] = set()
        try:
            for start in range(0, len(sequences), _AT_ONCE):
                part = tuple(sequences[start : start + _AT_ONCE])
                question = RetentionQuery(subject=subject, sequences=part)
                needed |= {*(await retention.ask(self._bus, service, question, _ANSWER_SECONDS)).needed}
        except (TransientError, msgspec.DecodeError) as error:
            _log.info("who owes mail doesn't say what of it", service=service, why=str(error))
            return None
        return needed

    def _tell(self, found: list[UnaccountedMail]) -> None:
        self.lost = found
        metrics.UNACCOUNTED.set(recipients_of(found))
        for one in found:
            if one.debt.mail not in self._known:
                _log.error(
                    "a mail is unaccounted for",
                    mail=one.debt.mail,
                    account=one.debt.account,
                    left=one.debt.left,
                    why=one.why,
                )
        self._known = {one.debt.mail for one in found}


def recipients_of(found: Sequence[UnaccountedMail]) -> int:
    """Recipients."""
    return sum(len(one.debt.left) for one in found)


def _owner(debt: OutstandingMail) -> str:
    """Who owes it: filelink until it is converted, then relay."""
    return "filelink" if debt.subject.startswith("mail.convert.") else "relay"
