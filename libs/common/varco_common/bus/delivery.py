"""One mail as a durable consumer hands it out, and the answers that the bus gets for it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from varco_common.base.errors import TransientError
from varco_common.base.ids import new_id
from varco_common.mail.record import MailRecord

if TYPE_CHECKING:
    from varco_common.bus.durable_consumer import DurableConsumer

ACK = b"+ACK"
NAK = b"-NAK"
TERM = b"+TERM"
IN_PROGRESS = b"+WPI"


class MailReturned(TransientError):
    """The handler stopped before it had any effect: the mail is delivered again at once."""


class AckMetadata(NamedTuple):
    """The reply subject of a delivered message, decoded.

    `at` is when it was stored, in nanoseconds since 1970.
    """

    delivered: int
    sequence: int
    consumer_sequence: int
    at: int
    pending: int


def ack_metadata(reply: bytes) -> AckMetadata:
    """Decodes the reply subject of a delivered message.

    $JS.ACK[.<domain>.<account>].<stream>.<consumer>.<delivered>.<seq>.<consumer
    seq>.<time>.<pending>
    """
    words = reply.split(b".")
    at = 4 if len(words) == 9 else 6
    return AckMetadata(*map(int, words[at : at + 5]))


@dataclass(eq=False)
class Delivery:
    """One mail in hand.

    Finish it with `ack`, `nak` or `park` after the effect; report `progress` while that takes long.

    `deliveries` counts from 1. More than 1 means that an earlier try was not finished, but a bus
    that was killed may have forgotten it. `at` is when MAIL stored it, UTC. `body` is the inline
    body in wire form. When the bus does not get the answer, the mail comes again: every handler
    must bear that.

    A parked mail that is `redelivered` gets its answer there: the bus knows nothing of it.
    """

    owner: "DurableConsumer"
    subject: str
    sequence: int
    deliveries: int
    at: datetime
    reply: str
    record: MailRecord
    body: bytes
    size: int
    redelivered: "asyncio.Future[bytes] | None" = None
    is_waiting: bool = False

    async def ack(self) -> None:
        """Done: this consumer never gets the mail again."""
        self.owner.finish(self, ACK)

    async def nak(self, delay: float = 0.0) -> None:
        """Not now: the mail comes again after `delay` seconds."""
        self.owner.finish(self, b'%s {"delay": %d}' % (NAK, int(delay * 1e9)) if delay > 0 else NAK)

    async def park(self, why: str) -> None:
        """Never: appends `RecordParked`, then takes the mail off this consumer.

        It stays in MAIL.
        """
        await self.owner.park(self.sequence, why, again=f"-{new_id()}" if self.redelivered else "")
        self.owner.finish(self, TERM)

    async def progress(self) -> None:
        """Still in work: the ack wait begins anew."""
        self.owner.send_answer(self.reply, IN_PROGRESS)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Around a wait before which nothing is unfinished, such as for a route that is down.

        A MailWorker that ends cancels the handler inside this block and returns the mail at once.
        Raises MailReturned if the worker is ending already.
        """
        if self.owner.paused:
            raise MailReturned("the process ends while the mail waits")
        self.is_waiting = True
        try:
            yield
        finally:
            self.is_waiting = False

    def renew(self, reply: str, deliveries: int) -> None:
        """The bus sent the mail again while it is in hand, and expects an answer to that."""
        self.reply, self.deliveries = reply, deliveries
        self.owner.send_answer(reply, IN_PROGRESS)
