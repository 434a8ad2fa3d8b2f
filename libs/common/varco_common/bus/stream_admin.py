"""Stream administration: usage, room for another record, dead letters, erasure."""

import asyncio
from typing import NamedTuple

from varco_common.base import subjects
from varco_common.base.errors import StoreFull, TransientError
from varco_common.bus import jetstream
from varco_common.bus.connection import NatsConnection
from varco_common.bus.dead_letters import park
from varco_common.bus.ordered_consumer import FOLLOWER_PREFIX

_ROOM = 64 * 1024  # bytes: a small mail's record
_REFUSED_SECONDS = 30.0  # how long a refusal counts if nothing was stored since


class StreamUsage(NamedTuple):
    """One stream: `held` and `limit` are bytes (-1: no limit), `last` is the newest sequence."""

    stream: str
    records: int
    held: int
    limit: int
    last: int

    @property
    def full(self) -> bool:
        """Whether even a small record finds no room.

        The stream then refuses new records and drops no old one.
        """
        return self.limit >= 0 and self.limit - self.held < min(_ROOM, self.limit // 20)


class StreamAdmin:
    """Administers MAIL and EVENTS. Methods raise TransientError while the bus is away."""

    def __init__(self, connection: NatsConnection, timeout: float) -> None:
        self._connection, self._timeout = connection, timeout

    async def usage(self) -> list[StreamUsage]:
        """Usage and limits of MAIL and EVENTS.

        A server with a full disk disables JetStream: then it raises.
        """
        return list(await asyncio.gather(*(self._usage(stream) for stream in (subjects.MAIL, subjects.EVENTS))))

    async def check_room(self) -> None:
        """Raises StoreFull if a stream is at its limit, or refused a record a moment ago."""
        for stream in await self.usage():
            if stream.full:
                raise StoreFull(f"stream {stream.stream} is full: {stream.held} of {stream.limit} bytes")
        since = self._connection.store_full_since
        if since and (age := asyncio.get_running_loop().time() - since) < _REFUSED_SECONDS:
            raise StoreFull(f"the bus refused to store {age:.0f} s ago: it is full")

    async def check_full(self) -> None:
        """As `check_room`, for use before an append: raises nothing if the bus doesn't answer."""
        try:
            await self.check_room()
        except StoreFull:
            raise
        except TransientError:
            return

    async def park(self, stream: str, sequence: int, why: str) -> None:
        """Appends `RecordParked` for a message that cannot be handled. Retries until stored."""
        await park(self._connection, stream, sequence, why, self._timeout)

    async def durable_consumers(self) -> list[str]:
        """The names of MAIL's consumers that outlive their process."""
        names: list[str] = []
        while True:
            answer = await jetstream.api(self._connection, f"CONSUMER.NAMES.{subjects.MAIL}", {"offset": len(names)})
            page: list[str] = answer.get("consumers") or []
            names += page
            if not page or len(names) >= int(answer["total"]):
                return [name for name in names if not name.startswith(FOLLOWER_PREFIX)]

    async def erase(self, sequence: int, *, overwrite: bool) -> None:
        """Takes one record out of MAIL, with `overwrite` off the disk as well.

        Does nothing if it is gone.
        """
        question = {"seq": sequence, "no_erase": not overwrite}
        try:
            await jetstream.api(self._connection, f"STREAM.MSG.DELETE.{subjects.MAIL}", question)
        except jetstream.ApiError as error:
            if error.err_code not in (jetstream.NO_MESSAGE, jetstream.SEQUENCE_NOT_FOUND):
                raise

    async def purge(self, subject: str, before: int) -> int:
        """Deletes the records of exactly this subject below `before`; returns how many."""
        question = {"filter": subject, "seq": before}
        return int((await jetstream.api(self._connection, f"STREAM.PURGE.{subjects.MAIL}", question))["purged"])

    async def _usage(self, stream: str) -> StreamUsage:
        info = await jetstream.api(self._connection, f"STREAM.INFO.{stream}")
        state = info["state"]
        limit = int(info["config"].get("max_bytes", -1))
        return StreamUsage(stream, int(state["messages"]), int(state["bytes"]), limit, int(state["last_seq"]))
