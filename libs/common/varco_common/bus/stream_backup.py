"""Whole streams, from the bus into a backup and back, with the same sequences and times."""

import contextlib
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any

import msgspec

from varco_common.base import subjects
from varco_common.base.errors import TransientError
from varco_common.bus import jetstream
from varco_common.bus.bus_settings import BusSettings
from varco_common.bus.connection import NatsConnection
from varco_common.bus.snapshot_io import download, upload

_TIMEOUT_SECONDS = 30.0
_STREAM_NOT_FOUND = 10059
_PLACEHOLDER = subjects.mail("void", "-")  # takes the sequence of an erased mail during a restore, then is purged


class StreamContents(msgspec.Struct, frozen=True):
    """A stream's last sequence (0: it never held a message), its messages and their bytes."""

    last: int = 0
    messages: int = 0
    bytes: int = 0


class RawRecord(msgspec.Struct, frozen=True):
    """A message of MAIL as it is stored. The subject is empty if the message was erased."""

    sequence: int
    subject: str = ""
    headers: bytes = b""
    payload: bytes = b""


class StreamBackup:
    """The operator's connection. Methods raise TransientError when the bus is away or refuses."""

    def __init__(self, connection: NatsConnection) -> None:
        self._connection = connection

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, settings: BusSettings) -> AsyncIterator["StreamBackup"]:
        """Connects as the settings' user, who must be allowed all of JetStream's API."""
        async with NatsConnection.open(settings, settings.user or "operator") as connection:
            yield cls(connection)

    async def contents(self, stream: str) -> StreamContents:
        """What the stream holds; nothing if there is no such stream."""
        try:
            state = (await jetstream.api(self._connection, f"STREAM.INFO.{stream}"))["state"]
        except jetstream.ApiError as error:
            if error.err_code == _STREAM_NOT_FOUND:
                return StreamContents()
            raise
        return StreamContents(state["last_seq"], state["messages"], state["bytes"])

    @contextlib.asynccontextmanager
    async def snapshot(self, stream: str) -> AsyncIterator[tuple[dict[str, Any], AsyncIterator[bytes]]]:
        """Yields the stream's `config` and `state` now, and its content and consumers in pieces."""
        async with download(self._connection, stream) as (about, pieces):
            yield {"config": about["config"], "state": about["state"]}, pieces

    async def restore(
        self, stream: str, about: dict[str, Any], pieces: AsyncIterable[bytes], *, replicas: int = 1
    ) -> StreamContents:
        """Creates the stream from a snapshot.

        Replaces a stream of that name that never held a message.
        """
        if (await self.contents(stream)).last:
            raise TransientError(f"{stream} isn't empty")
        await self.delete(stream)
        await upload(self._connection, stream, about | {"config": about["config"] | {"num_replicas": replicas}}, pieces)
        return await self.contents(stream)

    async def delete(self, stream: str) -> None:
        """Deletes the stream if it exists."""
        with contextlib.suppress(jetstream.ApiError):
            await jetstream.api(self._connection, f"STREAM.DELETE.{stream}")

    async def delete_consumers(self, stream: str, keep: tuple[str, ...] = ()) -> None:
        """Deletes the stream's consumers, so that they get all of it again.

        Keeps those whose name begins with one of `keep`: their work shows in the streams. What
        another one has acknowledged may be missing in a database that is older than the snapshot.
        """
        consumers = (await jetstream.api(self._connection, f"CONSUMER.NAMES.{stream}", {}))["consumers"] or []
        for consumer in consumers:
            if not consumer.startswith(keep):
                await jetstream.api(self._connection, f"CONSUMER.DELETE.{stream}.{consumer}")

    async def read_mails(self, after: int) -> AsyncIterator[RawRecord]:
        """Yields each sequence of MAIL behind `after`, up to the last one now, erased ones too."""
        for sequence in range(after + 1, (await self.contents(subjects.MAIL)).last + 1):
            question = {"seq": sequence}
            mail = await jetstream.direct_get(self._connection, subjects.MAIL, question, _TIMEOUT_SECONDS)
            if mail:
                yield RawRecord(sequence, mail.subject, mail.headers, mail.payload)
            elif await jetstream.is_gone(self._connection, subjects.MAIL, question):
                yield RawRecord(sequence)
            else:
                raise TransientError("MAIL can't be read at present")

    async def append_mails(self, mails: AsyncIterable[RawRecord]) -> int:
        """Appends what `read_mails` gave, at the same sequences; returns how many mails.

        Skips sequences that MAIL has already.
        """
        last, count = (await self.contents(subjects.MAIL)).last, 0
        async for mail in mails:
            if mail.sequence <= last:
                continue
            subject = mail.subject or _PLACEHOLDER
            stored = await jetstream.append(self._connection, subject, mail.payload, mail.headers, _TIMEOUT_SECONDS)
            if stored != mail.sequence:
                raise TransientError(
                    f"the mail of sequence {mail.sequence} was stored at {stored}: another process writes to MAIL"
                )
            count += bool(mail.subject)
        await jetstream.api(self._connection, f"STREAM.PURGE.{subjects.MAIL}", {"filter": _PLACEHOLDER})
        return count
