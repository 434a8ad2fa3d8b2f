"""Appends each converted mail to MAIL once, whichever process converted it and however often."""

import asyncio
from contextlib import aclosing, suppress

from varco_common.base import subjects
from varco_common.base.errors import ConflictError
from varco_common.bus import Bus
from varco_common.mail.record import MailConverted

KIND = "converted"
_REMEMBERED = 5_000  # mails of an account


class OutboxDedup:
    """The converted mails of one account.

    An append expects the last sequence that was read, so the mail of another process is seen first.
    """

    def __init__(self, bus: Bus, account: str) -> None:
        self._bus, self._account = bus, account
        self._sequences: dict[str, int] = {}  # by mail, in ascending order
        self._since = self._last = -1  # the records in (_since, _last] are known
        self._lock = asyncio.Lock()

    async def is_appended(self, mail: str, after: int) -> bool:
        """Whether the mail that was accepted at sequence `after` is in MAIL by now."""
        async with self._lock:
            await self._catch_up(after)
            return mail in self._sequences

    async def append_once(self, record: MailConverted, body: bytes) -> None:
        """Appends the mail unless it is there.

        Raises as `bus.mail.append`, except for ConflictError.
        """
        mail = record.envelope.id
        async with self._lock:
            await self._catch_up(record.original)
            while mail not in self._sequences:
                with suppress(ConflictError):
                    self._add(mail, await self._bus.mail.append(KIND, record, body, expect=self._last))
                    return
                await self._catch_up(record.original)

    async def _catch_up(self, after: int) -> None:
        if self._since < 0 or after < self._since:
            self._sequences, self._since, self._last = {}, after, after
        newest = await self._bus.mail.last_sequence(subjects.mail(KIND, subjects.token(self._account)))
        if newest > self._last:
            async with aclosing(self._bus.mail.read(KIND, self._account, self._last)) as records:
                async for stored in records:
                    self._add(stored.record.envelope.id, stored.sequence)
        else:
            self._last = newest  # there is nothing behind `after`, or the last one was erased

    def _add(self, mail: str, sequence: int) -> None:
        self._sequences[mail] = self._last = sequence
        if len(self._sequences) > _REMEMBERED:
            self._since = self._sequences.pop(next(iter(self._sequences)))
