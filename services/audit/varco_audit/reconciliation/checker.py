"""Checks each outstanding mail: MAIL must have its record, and its owner must still need it."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from time import time
from typing import NamedTuple

import msgspec

from varco_audit import metrics
from varco_audit.reconciliation.counts import FILTERS, OutstandingMail
from varco_audit.reconciliation.store import BalanceStore
from varco_audit.recording.recorded_position import wait_until_recorded
from varco_common.base import log
from varco_common.base.errors import TransientError
from varco_common.bus import Bus
from varco_common.storage import retention
from varco_common.storage.retention import RetentionQuery

GONE = "its record is gone from MAIL"
SILENT = "{service} is done with its record, and said nothing of these recipients"

_RECORDS_PER_QUERY = 1_000
_ANSWER_SECONDS = 10.0
_CATCH_UP_SECONDS = 5.0
_log = log.get(__name__)


class UnaccountedMail(NamedTuple):
    """An outstanding mail that no service has: nobody knows that its recipients got it."""

    mail: OutstandingMail
    why: str


class BalanceChecker:
    """`is_dead_letter` tells by its sequence whether a record of MAIL is a dead letter.

    An operator decides about dead letters, so they are accounted for.
    """

    interval = 30.0
    grace = 10.0  # seconds before a mail is checked: most have their outcome by then

    def __init__(self, bus: Bus, store: BalanceStore, is_dead_letter: Callable[[int], bool]) -> None:
        self._bus, self._store, self._is_dead_letter = bus, store, is_dead_letter
        self._reported: set[str] = set()

    async def run(self) -> None:
        """Checks again and again, until cancelled."""
        while True:
            await asyncio.sleep(self.interval)
            try:
                await self.check()
            except TransientError as error:
                _log.warning("the balance can't be checked", error=str(error))

    async def check(self) -> list[UnaccountedMail]:
        """What is unaccounted for now. Raises TransientError: balance late, or bus away."""
        await self._catch_up()
        outstanding = await self._store.outstanding(int((time() - self.grace) * 1000))
        suspects = await self._suspects(outstanding)
        if suspects:  # meanwhile the owner may have stated an outcome: only what hasn't changed is lost
            await self._catch_up()
            ids = [suspect.mail.mail for suspect in suspects]
            unchanged = {mail.mail: mail for mail in await self._store.outstanding(int(time() * 1000), ids)}
            suspects = [suspect for suspect in suspects if unchanged.get(suspect.mail.mail) == suspect.mail]
        self._report(suspects)
        metrics.IN_FLIGHT.set(sum(len(mail.left) for mail in outstanding) - _recipients(suspects))
        return suspects

    async def _catch_up(self) -> None:
        """Otherwise the original of a converted mail would look like a lost mail."""
        if not await wait_until_recorded(self._bus, _CATCH_UP_SECONDS):
            raise TransientError("EVENTS does not have all records of MAIL yet")
        await self._store.wait_until_applied(await self._bus.events.last_sequence(*FILTERS), _CATCH_UP_SECONDS)

    async def _suspects(self, outstanding: Sequence[OutstandingMail]) -> list[UnaccountedMail]:
        gone = await self._bus.mail.missing(mail.sequence for mail in outstanding) if outstanding else ()
        needed = await self._needed(outstanding)
        suspects = []
        for mail in outstanding:
            known = needed[mail.subject]
            if self._is_dead_letter(mail.sequence):
                continue
            if mail.sequence in gone:
                suspects.append(UnaccountedMail(mail, GONE))
            elif known is not None and mail.sequence not in known:
                suspects.append(UnaccountedMail(mail, SILENT.format(service=_owner(mail.subject))))
        return suspects

    async def _needed(self, outstanding: Sequence[OutstandingMail]) -> dict[str, set[int] | None]:
        """By subject, the sequences that its owner needs; None if it does not answer."""
        sequences: dict[str, list[int]] = defaultdict(list)
        for mail in outstanding:
            sequences[mail.subject].append(mail.sequence)
        return {subject: await self._needed_of(subject, sorted(some)) for subject, some in sequences.items()}

    async def _needed_of(self, subject: str, sequences: list[int]) -> set[int] | None:
        needed: set[int] = set()
        try:
            for start in range(0, len(sequences), _RECORDS_PER_QUERY):
                query = RetentionQuery(subject=subject, sequences=tuple(sequences[start : start + _RECORDS_PER_QUERY]))
                needed |= {*(await retention.ask(self._bus, _owner(subject), query, _ANSWER_SECONDS)).needed}
        except (TransientError, msgspec.DecodeError) as error:
            _log.info("the owner of outstanding mails does not answer", service=_owner(subject), error=str(error))
            return None
        return needed

    def _report(self, unaccounted: Sequence[UnaccountedMail]) -> None:
        metrics.UNACCOUNTED.set(_recipients(unaccounted))
        for mail, why in unaccounted:
            if mail.mail not in self._reported:
                _log.error(
                    "a mail is unaccounted for", mail=mail.mail, account=mail.account, recipients=mail.left, why=why
                )
        self._reported = {mail.mail for mail, _ in unaccounted}


def _recipients(unaccounted: Sequence[UnaccountedMail]) -> int:
    return sum(len(mail.left) for mail, _ in unaccounted)


def _owner(subject: str) -> str:
    """The service that must deal with the record: filelink until it is converted, then relay."""
    return "filelink" if subject.startswith("mail.convert.") else "relay"
