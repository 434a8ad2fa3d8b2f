"""What the streams hold and may hold, and whether there is room for one more record."""

import asyncio
from collections.abc import Iterable
from typing import NamedTuple

from varco_common import subjects
from varco_common.bus import jetstream
from varco_common.bus.connection import Connection
from varco_common.errors import StoreFull

CHECK = "store"  # in /readyz: red while there is no room
_ROOM = 64 * 1024  # bytes: a small mail's record
_REFUSED_SECONDS = 30.0  # so long a refusal stands where nothing was stored since


class Held(NamedTuple):
    """One stream: `limit` is in bytes as `held` is, -1 where there is none; `last` is the newest sequence."""

    stream: str
    records: int
    held: int
    limit: int
    last: int

    @property
    def full(self) -> bool:
        """Even a small record finds no room. Full is `discard: new`: nothing old is dropped for it."""
        return self.limit >= 0 and self.limit - self.held < min(_ROOM, self.limit // 20)


async def streams(link: Connection) -> list[Held]:
    """MAIL and EVENTS. Raises TransientError: a server whose disk is full takes its whole JetStream away."""
    return list(await asyncio.gather(*(_held(link, stream) for stream in (subjects.MAIL, subjects.EVENTS))))


async def check_room(link: Connection) -> None:
    """Raises StoreFull where nothing can be appended, as the limits say or as the last append was told."""
    for one in await streams(link):
        if one.full:
            raise StoreFull(f"stream {one.stream} is full: {one.held} of {one.limit} bytes")
    if link.refused and (age := asyncio.get_running_loop().time() - link.refused) < _REFUSED_SECONDS:
        raise StoreFull(f"the bus refused to store {age:.0f} s ago: it is full")


async def gone(link: Connection, sequences: Iterable[int]) -> set[int]:
    """Of MAIL. One question, however many: what was deleted in between is told as a list."""
    found = await jetstream.api(link, f"STREAM.INFO.{subjects.MAIL}", {"deleted_details": True})
    state = found["state"]
    deleted = set(state.get("deleted") or ())
    first, last = int(state["first_seq"]), int(state["last_seq"])
    return {one for one in sequences if not first <= one <= last or one in deleted}


async def _held(link: Connection, stream: str) -> Held:
    found = await jetstream.api(link, f"STREAM.INFO.{stream}")
    state = found["state"]
    limit = int(found["config"].get("max_bytes", -1))
    return Held(stream, int(state["messages"]), int(state["bytes"]), limit, int(state["last_seq"]))
