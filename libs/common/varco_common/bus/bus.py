"""The bus as every service sees it."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any

import msgspec

from varco_common import subjects
from varco_common.bus import erasing, events, jetstream, mail, questions, store, votes
from varco_common.bus.connection import Connection
from varco_common.bus.events import Raw, Stored, Unread
from varco_common.bus.mail import Record, StoredMail
from varco_common.bus.parking import parked
from varco_common.bus.puller import ACK_WAIT_SECONDS, Puller
from varco_common.bus.questions import Answerer
from varco_common.bus.redelivery import REDELIVER, WAIT_SECONDS, Again, Redelivered
from varco_common.bus.settings import BusSettings
from varco_common.bus.store import Held
from varco_common.bus.votes import Decider
from varco_common.bus.wire import headers_of
from varco_common.events import Event
from varco_common.record import Record as MailRecord
from varco_common.votes import Ballot, Vote


class Bus:
    """One service's connection to the bus. Every method that reaches it raises TransientError while it is away."""

    def __init__(self, link: Connection, settings: BusSettings) -> None:
        self._link = link
        self._timeout = settings.append_timeout_seconds
        self._tasks: set[asyncio.Task[None]] = set()
        self._redelivers = False

    @classmethod
    @contextlib.asynccontextmanager
    async def connect(cls, settings: BusSettings, name: str) -> AsyncIterator["Bus"]:
        """Waits until the server is there, and reconnects for ever. `name` is the service's."""
        async with Connection.open(settings, name) as link:
            bus = cls(link, settings)
            try:
                yield bus
            finally:
                for task in [*bus._tasks]:
                    task.cancel()
                await asyncio.gather(*bus._tasks, return_exceptions=True)

    def check(self) -> None:
        """Raises TransientError while disconnected."""
        self._link.check()

    async def check_room(self) -> None:
        """Raises StoreFull where nothing more can be appended, and TransientError while nobody can say."""
        await store.check_room(self._link)

    async def held(self) -> list[Held]:
        """What MAIL and EVENTS hold, and may hold."""
        return await store.streams(self._link)

    def on_reconnect(self, callback: Callable[[], None]) -> None:
        """Calls `callback` after each reconnect, not after the first connect; and where a server of a cluster is gone."""
        self._link.on_reconnect(callback)

    # EVENTS

    async def append(
        self, event: Event, *, expect: int | None = None, expect_subject: str | None = None, once: str = ""
    ) -> int:
        """The event's sequence in EVENTS, once it is fsynced.

        Raises ConflictError when the last sequence of `expect_subject` (may hold wildcards; default: the event's own
        subject) isn't `expect`; 0 expects that there is none. `once` names the append: the same name within two minutes
        stores nothing and gives the first one's sequence. Raises StoreFull, and TransientError, after which it may be
        stored or not.
        """
        return await events.append(
            self._link, event, expect=expect, expect_subject=expect_subject, once=once, timeout=self._timeout
        )

    async def append_encoded(self, batch: Sequence[tuple[str, bytes]], *, expect: int, expect_subject: str) -> int:
        """Appends events that are JSON already, (subject, payload): all of them, in order, or none; at most 1,000.

        The sequence of the last one. The errors are those of `append`; `expect` is the last sequence of `expect_subject`.
        """
        return await events.append_encoded(self._link, batch, expect, expect_subject, self._timeout)

    async def last_event(self, subject_filter: str) -> tuple[int, bytes]:
        """Sequence and payload of the last event that matches; 0 and nothing where there is none."""
        return await jetstream.last_message(self._link, subjects.EVENTS, subject_filter)

    async def last_sequence(self, subject_filter: str) -> int:
        """The sequence of the last event that matches; 0 where there is none."""
        return await jetstream.last_sequence(self._link, subjects.EVENTS, subject_filter)

    async def until(self, *filters: str) -> int:
        """The sequence of the last event that matches any filter now: a follower that has reached it has caught up."""
        return max(await asyncio.gather(*map(self.last_sequence, filters)))

    def follow(self, *filters: str, after: int = 0, name: str = "") -> AsyncGenerator[Stored, None]:
        """Events that match any filter, from `after` + 1, each once and in order, for ever.

        What can't be decoded is parked (`RecordParked`) and skipped. Close it with `aclosing` where the loop is left
        early. `name` is what its lag is shown under.
        """
        return events.follow(self._link, filters, after, self._timeout, name)

    def raw(self, *filters: str, after: int = 0) -> AsyncGenerator[Raw, None]:
        """As `follow`, but as they lie in EVENTS: payloads byte for byte, and what can't be decoded as well."""
        return events.raw(self._link, filters, after)

    def read(self, *filters: str, after: int, last: int) -> AsyncGenerator[Stored | Unread, None]:
        """The events that match any filter in (after, last], then ends. Nothing is parked: reading changes nothing."""
        return events.read(self._link, filters, after, last)

    async def first_at(self, at: datetime) -> int:
        """The sequence of the first event stored at `at` or later; one more than the last where there is none."""
        return await events.first_at(self._link, at)

    async def event(self, sequence: int) -> Raw:
        """The event at this sequence as it lies. Raises NotFound."""
        return await events.get(self._link, sequence, self._timeout)

    def since(self, subject_filter: str, at: datetime) -> AsyncGenerator[Stored, None]:
        """The events that match and were stored at `at` or later, up to the last one there is now.

        For short stretches: each event is a round trip. `Stored.at` is cut to seconds.
        """
        return events.since(self._link, subject_filter, at)

    def hear(self, *filters: str, callback: Callable[[str], None]) -> None:
        """Calls `callback` with the subject of every message as it passes by; nothing is kept while disconnected."""

        def passed(subject: bytes, _reply: bytes, _headers: bytes, _payload: bytes) -> None:
            callback(subject.decode())

        for subject_filter in filters:
            self._link.subscribe(subject_filter, passed)

    # MAIL

    def append_mail(
        self, kind: str, record: MailRecord, body: bytes, *, expect: int | None = None
    ) -> Coroutine[Any, Any, int]:
        """The record's sequence in MAIL, once it is fsynced; the same mail within two minutes is stored once.

        Raises ConflictError where the account's last record of this kind isn't at `expect` (0: there is none). Raises
        StoreFull, and TransientError, after which it may be stored or not; PoisonError when it is more than the bus takes.
        """
        return mail.append(self._link, kind, record, body, timeout=self._timeout, expect=expect)

    async def mail(self, sequence: int) -> StoredMail:
        """The mail at this sequence of MAIL. Raises MissingMail when it is gone."""
        return await mail.get(self._link, sequence, self._timeout)

    def records(self, *filters: str, after: int = 0, name: str = "") -> AsyncGenerator[Record, None]:
        """The records that match any filter, without bodies, from `after` + 1, each once and in order, for ever."""
        return mail.records(self._link, filters, after, name)

    async def last_record(self, *filters: str) -> int:
        """The sequence in MAIL of the last record that matches any filter; 0 where there is none."""
        found = (jetstream.last_sequence(self._link, subjects.MAIL, one) for one in filters)
        return max(await asyncio.gather(*found))

    async def park(self, stream: str, sequence: int, why: str) -> None:
        """Says that a message can't be handled (`RecordParked`), for as long as it takes; it stays where it is."""
        await parked(self._link, stream, sequence, why, self._timeout)

    async def mails(self, kind: str, account: str, after: int) -> AsyncGenerator[StoredMail, None]:
        """An account's mails of one kind behind sequence `after`, up to the last there is now. One round trip each."""
        subject = subjects.mail(kind, subjects.token(account))
        while found := await mail.following(self._link, after + 1, subject, self._timeout):
            yield found
            after = found.sequence

    def pull(
        self,
        durable: str,
        *filters: str,
        in_flight: int,
        max_bytes: int,
        headers_only: bool = False,
        ack_wait: float = ACK_WAIT_SECONDS,
    ) -> AbstractAsyncContextManager[Puller]:
        """Mails through a durable consumer (made if need be): at most `in_flight`, and about `max_bytes`, in hand.

        What the consumer parks can be had again with `redeliver`.
        """
        if not self._redelivers:
            self._redelivers = True
            subject, handler = subjects.request(self._link.name, REDELIVER), self._link.redeliveries.answer
            questions.answer(self._link, subject, self._link.name, handler=handler, tasks=self._tasks)
        return Puller.open(
            self._link,
            durable,
            filters,
            in_flight=in_flight,
            max_bytes=max_bytes,
            headers_only=headers_only,
            ack_wait=ack_wait,
            timeout=self._timeout,
        )

    async def redeliver(self, service: str, consumer: str, sequence: int) -> Redelivered:
        """Hands a parked record to the consumer that parked it, once more. Raises TransientError where the service is away."""
        question = msgspec.json.encode(Again(consumer, sequence))
        answer = await self.ask(subjects.request(service, REDELIVER), question, WAIT_SECONDS + 2)
        return msgspec.json.decode(answer, type=Redelivered)

    async def gone(self, sequences: Iterable[int]) -> set[int]:
        """Those of these sequences that MAIL doesn't have, or not any more."""
        return await store.gone(self._link, sequences)

    async def acknowledged(self, durable: str) -> int:
        """The sequence in MAIL up to which this durable consumer has dealt with everything; 0 where there is none."""
        try:
            info = await jetstream.api(self._link, f"CONSUMER.INFO.{subjects.MAIL}.{durable}")
        except jetstream.ApiError as error:
            if error.err_code == jetstream.CONSUMER_NOT_FOUND:
                return 0
            raise
        return int(info["ack_floor"]["stream_seq"])

    async def forget_puller(self, durable: str) -> None:
        """Deletes the durable consumer and what it knows; nothing happens where there is none."""
        try:
            await jetstream.api(self._link, f"CONSUMER.DELETE.{subjects.MAIL}.{durable}")
        except jetstream.ApiError as error:
            if error.err_code != jetstream.CONSUMER_NOT_FOUND:
                raise

    async def durables(self) -> list[str]:
        """The names of MAIL's durable consumers."""
        return await erasing.durables(self._link)

    async def last_of_mail(self) -> int:
        """The last sequence that MAIL has given, even where that record is gone."""
        return (await jetstream.bounds(self._link, subjects.MAIL))[1]

    async def first_of_mail(self) -> int:
        """The first sequence of MAIL that is still there; the next one to be given where nothing is."""
        return (await jetstream.bounds(self._link, subjects.MAIL))[0]

    async def erase(self, sequence: int, *, overwrite: bool) -> None:
        """Takes one record out of MAIL, with `overwrite` off the disk as well. Nothing happens where it is gone."""
        await erasing.erase(self._link, sequence, overwrite=overwrite)

    async def purge(self, subject: str, before: int) -> int:
        """Takes all records of this subject of MAIL below sequence `before` out of it; how many that were."""
        return await erasing.purge(self._link, subject, before)

    # questions

    async def ask(self, subject: str, payload: bytes, timeout: float = 2.0) -> bytes:
        """The answer of one of those who answer `subject`. TransientError: nobody does, or too late (seconds)."""
        return await questions.ask(self._link, subject, payload, timeout)

    async def answer(self, subject: str, group: str, handler: Answerer) -> Callable[[], None]:
        """Answers questions from now on, each in a task of its own; one of `group` gets each question. Returns what ends it."""
        end = questions.answer(self._link, subject, group, handler=handler, tasks=self._tasks)
        await self._link.settled()
        return end

    async def ask_everyone(self, subject: str, payload: bytes, timeout: float = 0.25) -> list[bytes]:
        """The answers of all processes that answer `subject` within `timeout` seconds. TransientError: the bus is away."""
        return await questions.ask_everyone(self._link, subject, payload, timeout)

    async def answer_too(self, subject: str, handler: Answerer) -> None:
        """Answers what everyone is asked (`everyone.*`), as every other process does too."""
        questions.answer(self._link, subject, "", handler=handler, tasks=self._tasks)
        await self._link.settled()

    # votes

    def collect(self, ballot: Ballot, voters: Sequence[str], timeout: float) -> Coroutine[Any, Any, list[Vote]]:
        """Each voter's vote, as soon as all have voted, at the latest after `timeout` seconds.

        It never raises: who is missing was silent, and all are where the bus is away.
        """
        return votes.collect(self._link, ballot, voters, timeout)

    async def serve_voter(
        self, voter: str, decide: Decider, partition: int | str = "*", holder: str = ""
    ) -> Callable[[], None]:
        """Casts `decide`'s vote on every ballot (of one partition) from now on; returns what ends that.

        A `decide` that raises casts none, and is logged. One of a voter's processes gets each ballot; but each `holder` gets
        it by itself, so that one which hangs takes nothing from another: then it is for them to know whose turn it is.
        """
        group = f"{voter}.{holder}" if holder else voter
        end = votes.serve(self._link, group, decide, partition)
        await self._link.settled()
        return end

    # leases

    async def lease(self, service: str) -> tuple[int, bytes]:
        """What stands at `lease.<service>`, and its sequence; 0 and nothing where nothing does."""
        return await jetstream.last_message(self._link, subjects.LEASES, subjects.lease(service))

    async def take_lease(self, service: str, holds: bytes, *, expect: int) -> int:
        """Replaces what stands at `lease.<service>`; its new sequence. ConflictError where `expect` isn't the old one."""
        headers = headers_of(("Nats-Expected-Last-Subject-Sequence", str(expect)))
        return await jetstream.append(self._link, subjects.lease(service), holds, headers, self._timeout)
