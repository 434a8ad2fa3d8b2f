"""All links and terms in memory, kept current by the events; and the ways to make, extend and end a link."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Self

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncEngine

from varco_common import subjects
from varco_common.blobs import Blobs
from varco_common.bus import Bus
from varco_common.errors import ConflictError, RefusedCommand, TransientError
from varco_common.events import AttachmentLinked, LinkExpired, LinkExtended, LinkRevoked
from varco_common.projection import Projection
from varco_filelink import links
from varco_filelink.links import Link, State

NAME = "filelink"


class Links:
    """Reads are answered from memory. Making and ending take turns within an account: they share its files."""

    def __init__(self, bus: Bus, blobs: Blobs, projection: Projection[Link], now: Callable[[], datetime]) -> None:
        self._bus, self._blobs, self._projection, self._now = bus, blobs, projection, now
        self._mails: dict[str, set[str]] = defaultdict(set)
        self._objects: dict[str, set[str]] = defaultdict(set)
        self._equal: dict[tuple[str, str], str] = {}
        self._turns: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        for key, _ in projection.items():  # noqa: PERF102 - no dict
            self._index(key)
        projection.on_event(lambda key, _: self._index(key))

    @classmethod
    @asynccontextmanager
    async def open(
        cls, bus: Bus, engine: AsyncEngine, blobs: Blobs, now: Callable[[], datetime]
    ) -> AsyncIterator[Self]:
        """Caught up with the bus, and following it inside the block."""
        projection = Projection(
            bus, engine, *links.FILTERS, name="links", service=NAME, apply=links.apply, state=Link, key=links.key
        )
        async with projection.following():
            yield cls(bus, blobs, projection, now)

    def get(self, link: str) -> Link | None:
        return self._projection.get(link)

    def all(self) -> Iterable[Link]:
        """In no order: don't await while iterating."""
        return (link for _, link in self._projection.items())

    @property
    def stored(self) -> int:
        """Bytes of the files that live links lead to."""
        firsts = (self.get(next(iter(held))) for held in self._objects.values())
        return sum(link.size for link in firsts if link)

    @property
    def live(self) -> int:
        return sum(len(held) for held in self._objects.values())

    @property
    def objects(self) -> set[str]:
        """The objects that live links need."""
        return {*self._objects}

    async def check(self) -> None:
        """For /readyz."""
        await self._projection.check()

    async def of_mail(self, account: str, mail: str) -> dict[str, Link]:
        """The links that were made for this mail, by part; as of now, whoever made them."""
        last = await self._bus.last_sequence(subjects.event(NAME, "attachment-linked", subjects.token(account)))
        await self._projection.reached(last)
        return {link.part: link for key in self._mails.get(mail, ()) if (link := self.get(key))}

    async def make(self, event: AttachmentLinked) -> str:
        """Appends the link; its object is in the store. Gives the object it leads to: an equal one, where there is one."""
        async with self._turns[event.account]:
            equal = self._equal.get((event.account, event.sha256))
            if equal and equal != event.object:
                await self._blobs.delete(event.object)
                event = replace(event, object=equal)
            await self._said(event)
            return event.object

    async def extend(self, link: Link, until: datetime, by: str, reason: str) -> Link:
        """Raises RefusedCommand where the link has ended."""
        async with self._turns[link.account]:
            link = self._current(link)
            if not link.live(self._now()):
                raise RefusedCommand("the link has ended: its file is gone")
            if until <= self._now():
                raise RefusedCommand("that time is over: revoke the link instead")
            await self._said(
                LinkExtended(
                    at=self._now(), account=link.account, by=by, reason=reason, link=link.link, expires_at=until
                )
            )
            return self._current(link)

    async def end(self, link: Link, kind: type[LinkExpired] | type[LinkRevoked], by: str, reason: str) -> Link:
        """Deletes the object where no other link needs it, asks the store whether it is gone, then says so.

        Raises TransientError while the store or the bus is away: the link is as it was then, to be ended again.
        """
        async with self._turns[link.account]:
            link = self._current(link)
            if link.state is not State.LIVE:
                return link
            if kind is LinkExpired and link.live(self._now()):
                return link  # extended meanwhile
            shared = self._objects.get(link.object, set()) - {link.link}
            if not shared:
                await self._blobs.delete(link.object)
                if await self._blobs.exists(link.object):
                    raise TransientError(f"the store still has {link.object}")
            gone = "" if shared else link.object
            await self._said(
                kind(at=self._now(), account=link.account, by=by, reason=reason, link=link.link, gone=gone)
            )
            return self._current(link)

    def _current(self, link: Link) -> Link:
        found = self.get(link.link)
        if found is None:
            raise ConflictError("the link is not known any more")
        return found

    async def _said(self, event: AttachmentLinked | LinkExtended | LinkExpired | LinkRevoked) -> None:
        await self._projection.reached(await self._bus.append(event))

    def _index(self, key: str) -> None:
        link = self._projection.get(key)
        if link is None:
            return
        self._mails[link.mail].add(key)
        same = (link.account, link.sha256)
        if link.state is State.LIVE:
            self._objects[link.object].add(key)
            self._equal.setdefault(same, link.object)
            return
        held = self._objects.get(link.object, set())
        held.discard(key)
        if not held:
            self._objects.pop(link.object, None)
            if self._equal.get(same) == link.object:
                del self._equal[same]
