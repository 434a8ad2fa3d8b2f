"""Handles the mails of a durable consumer, several at once, and answers the bus."""

import asyncio
from collections.abc import Awaitable, Callable

from varco_common.base import log
from varco_common.base.errors import PoisonError, TransientError
from varco_common.base.tasks import ended
from varco_common.bus.delivery import Delivery, MailReturned
from varco_common.bus.durable_consumer import DurableConsumer

RETRY_SECONDS = 2.0  # a service that restarts is back within a few seconds
_BUG_FACTOR = 10  # a bug seldom goes away by itself: its mail waits this many times longer

_log = log.get(__name__)

MailHandler = Callable[[Delivery], Awaitable[None]]


class MailWorker:
    """Runs `handle` for each mail that `consumer` delivers, and answers the bus after the effect.

    | `handle` ends with | the mail |
    |---|---|
    | return | is acknowledged |
    | TransientError | is delivered again after `retry_seconds` |
    | MailReturned, or cancelled at the end | is delivered again at once |
    | PoisonError | is parked: `RecordParked` is appended, and it stays in MAIL |
    | any other exception, a bug | is delivered again after 10 times `retry_seconds` |

    The consumer's `in_flight` and `max_bytes` bound how many mails are handled at once. `handle`
    must bear a mail that comes again, for the bus may lose an acknowledgement.
    """

    def __init__(
        self, consumer: DurableConsumer, handle: MailHandler, *, grace: float, retry_seconds: float = RETRY_SECONDS
    ) -> None:
        self._consumer, self._handle = consumer, handle
        self._grace, self._retry_seconds = grace, retry_seconds
        self._tasks: dict[asyncio.Task[None], Delivery] = {}

    async def run(self) -> None:
        """Runs until it is cancelled.

        Then it begins no mail and gives those in hand `grace` seconds.
        """
        ticker = asyncio.create_task(self._report_progress(), name=f"progress {self._consumer.durable}")
        try:
            async for delivery in self._consumer:
                self._start(delivery)
        finally:
            self._consumer.pause()
            await self._drain()
            await ended(ticker)

    def _start(self, delivery: Delivery) -> None:
        task = asyncio.create_task(self._work(delivery), name=f"{self._consumer.durable} {delivery.sequence}")
        self._tasks[task] = delivery
        task.add_done_callback(self._tasks.pop)

    async def _work(self, delivery: Delivery) -> None:
        mail = delivery.record.envelope.id
        try:
            await self._handle(delivery)
            await delivery.ack()
        except asyncio.CancelledError:
            await delivery.nak()
            raise
        except MailReturned:
            await delivery.nak()
        except TransientError as error:
            _log.warning("a mail is tried again later", mail=mail, consumer=self._consumer.durable, error=str(error))
            await delivery.nak(self._retry_seconds)
        except PoisonError as error:
            await delivery.park(str(error))  # tries until EVENTS takes it
        except Exception:  # noqa: BLE001 - a bug with one mail must not stop the others
            _log.exception("a mail could not be handled", mail=mail, consumer=self._consumer.durable)
            await delivery.nak(self._retry_seconds * _BUG_FACTOR)

    async def _report_progress(self) -> None:
        """Renews the ack wait of every mail that has been in hand for a third of it."""
        interval = self._consumer.ack_wait / 3
        while True:
            before = set(self._tasks.values())
            await asyncio.sleep(interval)
            for delivery in before.intersection(self._tasks.values()):
                await delivery.progress()

    async def _drain(self) -> None:
        """Lets handlers end within the grace, then cancels them.

        Mails that are only waiting go back at once.
        """
        for task, delivery in self._tasks.items():
            if delivery.is_waiting:
                task.cancel()
        try:
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=self._grace)
        finally:
            await ended(*self._tasks)
