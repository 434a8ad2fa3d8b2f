"""What an operator does with dead letters: looks into them, has them dealt with again, drops them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import NamedTuple, Self

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

OWING = ("relay", "filelink")  # who owes a mail to its recipients
_FOLLOWED = "{service} folds events, it doesn't handle them: mend it, then `varco replay rebuild {service} --swap`"
_log = log.get(__name__)


class OpenedDeadLetter(NamedTuple):
    """A letter with what is in it. `mail` is None where it can't be read, and `unread` says why."""

    letter: DeadLetter
    mail: StoredMail | None
    unread: str


class DeadLetters:
    """Reads are answered from memory."""

    def __init__(self, bus: Bus, projection: Projection[DeadLetter]) -> None:
        self._bus, self._projection = bus, projection
        self.check = projection.check

    @classmethod
    @asynccontextmanager
    async def opened(cls, bus: Bus, engine: AsyncEngine) -> AsyncIterator[Self]:
        """Caught up with the bus, and following it inside the block."""
        projection = Projection.of(model.DEAD_LETTERS, bus, engine, NAME)
        async with projection.following():
            metrics.DEAD_LETTERS.set_function(lambda: len(projection))
            yield cls(bus, projection)

    def all(self, service: str = "") -> list[DeadLetter]:
        """The oldest first."""
        found = (letter for _, letter in self._projection.items() if service in ("", letter.service))
        return sorted(found, key=lambda letter: letter.at)

    def holds(self, sequence: int, services: tuple[str, ...] = OWING) -> bool:
        """Whether the record at this sequence of MAIL is a dead letter of one of these."""
        return any(self._projection.get(f"{service}.{subjects.MAIL}.{sequence}") for service in services)

    async def open(self, name: str) -> OpenedDeadLetter:
        """Raises NotFound."""
        letter = self._get(name)
        if letter.stream != subjects.MAIL:
            return OpenedDeadLetter(letter, None, "an event")
        try:
            return OpenedDeadLetter(letter, await self._bus.mail.get(letter.sequence), "")
        except PoisonError as error:
            return OpenedDeadLetter(letter, None, str(error))

    async def redeliver(self, name: str, by: str, reason: str) -> None:
        """Dealt with when this returns. Raises NotFound, RefusedCommand (it is still dead, and why), TransientError."""
        letter = self._get(name)
        if not letter.consumer:
            raise RefusedCommand(_FOLLOWED.format(service=letter.service))
        found = await self._bus.mail.redeliver(letter.service, letter.consumer, letter.sequence)
        _log.info("redelivered", letter=name, by=by, outcome=found.outcome, why=found.why)
        if found.outcome != "done":
            raise RefusedCommand(f"{letter.service}: {found.outcome}{f': {found.why}' if found.why else ''}")
        event = DeadLetterRedelivered(
            at=datetime.now(UTC),
            service=letter.service,
            stream=letter.stream,
            sequence=letter.sequence,
            by=by,
            reason=reason,
        )
        await self._projection.reached(await self._bus.events.append(event))

    async def drop(self, name: str, by: str, reason: str) -> None:
        """Raises NotFound, TransientError."""
        opened = await self.open(name)
        letter, envelope = opened.letter, opened.mail.record.envelope if opened.mail else None
        owed = envelope if letter.service in OWING else None
        event = DeadLetterDropped(
            at=datetime.now(UTC),
            service=letter.service,
            stream=letter.stream,
            sequence=letter.sequence,
            by=by,
            reason=reason,
            account=envelope.account if envelope else "",
            mail=envelope.id if envelope else "",
            recipients=owed.recipients if owed else (),
        )
        await self._projection.reached(await self._bus.events.append(event))

    def _get(self, name: str) -> DeadLetter:
        if not (letter := self._projection.get(name)):
            raise NotFound(f"no dead letter {name}: `varco deadletters list` shows those there are")
        return letter
