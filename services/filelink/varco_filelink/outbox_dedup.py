"""Which mails have left already: each is put into MAIL once, whichever process converted it, and however often."""

import asyncio
from contextlib import aclosing, suppress

from varco_common.base import subjects
from varco_common.base.errors import ConflictError
from varco_common.bus import Bus
from varco_common.mail.record import MailConverted

KIND = "converted"
_REMEMBERED = 5_000  # mails of an account


class OutboxDedup:
    """One account's. The last that left guards the next append: what another process has put there is seen first."""

    def __init__(self, bus: Bus, account: str) -> None:
        self._bus, self._account = bus, account
        self._left: dict[str, int] = {}  # mails, by their place in MAIL, in order
        self._since = self._last = -1  # what is known of: (since, last]
        self._turn = asyncio.Lock()

    async def left(self, mail: str, after: int) -> bool:
        """Whether the mail that was accepted at sequence `after` has left by now."""
        async with self._turn:
            await self._catch_up(after)
            return mail in self._left

    async def leave(self, record: MailConverted, body: bytes) -> None:
        """Puts the mail into MAIL, unless it is there. Raises what `Bus.append_mail` raises, but for ConflictError."""
        mail = record.envelope.id
        async with self._turn:
            await self._catch_up(record.original)
            while mail not in self._left:
                with suppress(ConflictError):
                    self._note(mail, await self._bus.mail.append(KIND, record, body, expect=self._last))
                    return
                await self._catch_up(record.original)

    async def _catch_up(self, after: int) -> None:
        if self._since < 0 or after < self._since:
            self._left, self._since, self._last = {}, after, after
        newest = await self._bus.mail.last_sequence(subjects.mail(KIND, subjects.token(self._account)))
        if newest > self._last:
            async with aclosing(self._bus.mail.read(KIND, self._account, self._last)) as found:
                async for stored in found:
                    self._note(stored.record.envelope.id, stored.sequence)
        else:
            self._last = newest  # nothing behind `after`; or what was last is erased

    def _note(self, mail: str, sequence: int) -> None:
        self._left[mail] = self._last = sequence
        if len(self._left) > _REMEMBERED:
            oldest = next(iter(self._left))
            self._since = self._left.pop(oldest)
