"""Streams as a whole: out of the bus into a backup, and back into an empty one, with sequences and times kept."""

import contextlib
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any

import msgspec

from varco_common.base import subjects
from varco_common.base.errors import TransientError
from varco_common.bus import jetstream
from varco_common.bus.connection import NatsConnection
from varco_common.bus.headers import status
from varco_common.bus.settings import BusSettings
from varco_common.bus.snapshot_io import download, upload

_SECONDS = 30.0
_STREAM_NOT_FOUND = 10059
_GIVEN = (b"Nats-Stream:", b"Nats-Subject:", b"Nats-Sequence:", b"Nats-Time-Stamp:", b"Nats-Num-Pending:")
_VOID = subjects.mail("void", "-")

# Durable consumers of MAIL whose work shows in the streams themselves. What another one has acknowledged may be in a database
# that is older than the snapshot: after a restore it gets all of MAIL again.
_SHOWN_IN_STREAMS = ("relay-", "filelink")


class StreamContents(msgspec.Struct, frozen=True):
    """How far a stream has come: its last sequence (0: nothing was ever in it), its messages and their bytes."""

    last: int = 0
    messages: int = 0
    bytes: int = 0


class RawRecord(msgspec.Struct, frozen=True):
    """A message of MAIL as it lies there; no subject where it was erased."""

    sequence: int
    subject: str = ""
    headers: bytes = b""
    payload: bytes = b""


class StreamBackup:
    """The operator's connection. Every method raises TransientError where the bus is away or refuses."""

    def __init__(self, connection: NatsConnection) -> None:
        self._connection = connection

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, settings: BusSettings) -> AsyncIterator["StreamBackup"]:
        """The user must be allowed all of JetStream's API."""
        async with NatsConnection.open(settings, settings.user or "operator") as connection:
            yield cls(connection)

    async def held(self, stream: str) -> StreamContents:
        """Nothing where there is no such stream."""
        try:
            state = (await jetstream.api(self._connection, f"STREAM.INFO.{stream}"))["state"]
        except jetstream.ApiError as error:
            if error.err_code == _STREAM_NOT_FOUND:
                return StreamContents()
            raise
        return StreamContents(state["last_seq"], state["messages"], state["bytes"])

    @contextlib.asynccontextmanager
    async def snapshot(self, stream: str) -> AsyncIterator[tuple[dict[str, Any], AsyncIterator[bytes]]]:
        """What the stream is (its `config` and `state` at the start), and its content with consumers, in pieces."""
        async with download(self._connection, stream) as (about, pieces):
            yield {"config": about["config"], "state": about["state"]}, pieces

    async def restore(
        self, stream: str, about: dict[str, Any], pieces: AsyncIterable[bytes], *, replicas: int = 1
    ) -> StreamContents:
        """Makes the stream anew from a snapshot. One of that name that never held anything is replaced."""
        if (await self.held(stream)).last:
            raise TransientError(f"{stream} isn't empty")
        with contextlib.suppress(jetstream.ApiError):  # there was none
            await jetstream.api(self._connection, f"STREAM.DELETE.{stream}")
        await upload(self._connection, stream, about | {"config": about["config"] | {"num_replicas": replicas}}, pieces)
        return await self.held(stream)

    async def remove(self, stream: str) -> None:
        """Takes back what a restore that failed has made."""
        with contextlib.suppress(jetstream.ApiError):
            await jetstream.api(self._connection, f"STREAM.DELETE.{stream}")

    async def forget_consumers(self, stream: str) -> None:
        """All but those whose work shows in the streams begin at the start again."""
        names: list[str] = (await jetstream.api(self._connection, f"CONSUMER.NAMES.{stream}", {}))["consumers"] or []
        for name in names:
            if stream != subjects.MAIL or not name.startswith(_SHOWN_IN_STREAMS):
                await jetstream.api(self._connection, f"CONSUMER.DELETE.{stream}.{name}")

    async def mails(self, after: int) -> AsyncIterator[RawRecord]:
        """Everything in MAIL behind sequence `after`, up to the last there is now: each sequence once, erased ones too."""
        for sequence in range(after + 1, (await self.held(subjects.MAIL)).last + 1):
            question = b'{"seq":%d}' % sequence
            headers, payload = await self._connection.request(
                f"$JS.API.DIRECT.GET.{subjects.MAIL}", question, timeout=_SECONDS
            )
            code = status(headers)
            if code == 404 and await jetstream.is_gone(self._connection, subjects.MAIL, {"seq": sequence}):
                yield RawRecord(sequence)
            elif code:
                raise TransientError(f"MAIL can't be read at present ({code})")
            else:
                yield _as_stored(sequence, headers, payload)

    async def put_mails(self, mails: AsyncIterable[RawRecord]) -> int:
        """Appends what `mails` gave, at the same sequences; what lies before them in MAIL is skipped. How many there were."""
        last, count = (await self.held(subjects.MAIL)).last, 0
        async for mail in mails:
            if mail.sequence <= last:
                continue
            subject = mail.subject or _VOID
            stored = await jetstream.append(self._connection, subject, mail.payload, mail.headers, _SECONDS)
            if stored != mail.sequence:
                raise TransientError(f"a mail of sequence {mail.sequence} went to {stored}: somebody else writes MAIL")
            count += bool(mail.subject)
        await jetstream.api(self._connection, f"STREAM.PURGE.{subjects.MAIL}", {"filter": _VOID})
        return count


def _as_stored(sequence: int, headers: bytes, payload: bytes) -> RawRecord:
    """Without the fields that the server put before those of whoever stored it."""
    first, *lines = headers.removesuffix(b"\r\n\r\n").split(b"\r\n")
    subject = next(line for line in lines if line.startswith(b"Nats-Subject:")).partition(b":")[2].strip().decode()
    own = [line for line in lines if not line.startswith(_GIVEN)]
    return RawRecord(sequence, subject, b"\r\n".join([first, *own, b"", b""]) if own else b"", payload)
