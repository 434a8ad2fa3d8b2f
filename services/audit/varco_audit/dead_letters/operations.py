"""What an operator can do with a dead letter: look at it, have it handled again, drop it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple, Self

from sqlalchemy.ext.asyncio import AsyncEngine

from varco_audit import metrics
from varco_audit.dead_letters import model
from varco_audit.dead_letters.model import DeadLetter
from varco_audit.names import NAME
from varco_common.base import log, subjects
from varco_common.base.errors import NotFound, PoisonError, RefusedCommand
from varco_common.bus import Bus, StoredMail
from varco_common.events import DeadLetterDropped, DeadLetterRedelivered
from varco_common.eventsourcing.projection import Projection

DELIVERERS = ("relay", "filelink")  # while one of these has a mail parked, its recipients don't get it
_NOT_REDELIVERABLE = (
    "{service} folds events, it doesn't handle them: mend it, then `varco replay rebuild {service} --swap`"
)
_log = log.get(__name__)


class OpenedDeadLetter(NamedTuple):
    """A dead letter with its mail. `mail` is None if it can't be read, and `unread` says why."""

    letter: DeadLetter
    mail: StoredMail | None
    unread: str


class DeadLetters:
    """Answers from memory. Commands return when the projection has applied their event."""

    def __init__(self, bus: Bus, projection: Projection[DeadLetter]) -> None:
        self._bus, self._projection = bus, projection
        self.check = projection.check

    @classmethod
    @asynccontextmanager
    async def opened(cls, bus: Bus, engine: AsyncEngine) -> AsyncIterator[Self]:
        """Catches up with the bus, and follows it inside the block."""
        projection = Projection(model.DEAD_LETTERS, bus, engine, NAME)
        async with projection.following():
            metrics.DEAD_LETTERS.set_function(lambda: len(projection))
            yield cls(bus, projection)

    def all(self, service: str = "") -> list[DeadLetter]:
        """Those of one service, or of all; the oldest first."""
        letters = (letter for _, letter in self._projection.items() if service in ("", letter.service))
        return sorted(letters, key=lambda letter: letter.at)

    def contains(self, sequence: int) -> bool:
        """Whether a deliverer has parked the record at this sequence of MAIL."""
        return any(self._projection.get(f"{service}.{subjects.MAIL}.{sequence}") for service in DELIVERERS)

    async def open(self, letter_id: str) -> OpenedDeadLetter:
        """Raises NotFound."""
        letter = self._get(letter_id)
        if letter.stream != subjects.MAIL:
            return OpenedDeadLetter(letter, None, "an event")
        try:
            return OpenedDeadLetter(letter, await self._bus.mail.get(letter.sequence), "")
        except PoisonError as error:
            return OpenedDeadLetter(letter, None, str(error))

    async def redeliver(self, letter_id: str, by: str, reason: str) -> None:
        """Has the consumer that parked it handle it again.

        Raises NotFound, TransientError, or RefusedCommand if it could not be handled again.
        """
        letter = self._get(letter_id)
        if not letter.consumer:
            raise RefusedCommand(_NOT_REDELIVERABLE.format(service=letter.service))
        result = await self._bus.mail.redeliver(letter.service, letter.consumer, letter.sequence)
        _log.info("redelivered", dead_letter=letter_id, by=by, outcome=result.outcome, reason=result.why)
        if result.outcome != "done":
            raise RefusedCommand(f"{letter.service}: {result.outcome}{f': {result.why}' if result.why else ''}")
        await self._append(DeadLetterRedelivered(**_fields(letter, by, reason)))

    async def drop(self, letter_id: str, by: str, reason: str) -> None:
        """States that it will never be handled. Raises NotFound or TransientError."""
        letter, mail, _ = await self.open(letter_id)
        about: dict[str, Any] = {}
        if mail:
            envelope = mail.record.envelope
            about = {"account": envelope.account, "mail": envelope.id}
            if letter.service in DELIVERERS:
                about["recipients"] = envelope.recipients
        await self._append(DeadLetterDropped(**_fields(letter, by, reason), **about))

    async def _append(self, event: DeadLetterRedelivered | DeadLetterDropped) -> None:
        await self._projection.reached(await self._bus.events.append(event))

    def _get(self, letter_id: str) -> DeadLetter:
        if not (letter := self._projection.get(letter_id)):
            raise NotFound(f"no dead letter {letter_id}: `varco deadletters list` shows those there are")
        return letter


def _fields(letter: DeadLetter, by: str, reason: str) -> dict[str, Any]:
    place = {"service": letter.service, "stream": letter.stream, "sequence": letter.sequence}
    return {"at": datetime.now(UTC), "by": by, "reason": reason, **place}
