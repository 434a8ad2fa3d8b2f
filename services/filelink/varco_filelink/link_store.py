"""All links and terms in memory, kept current by the events; and the ways to make, extend and end a link."""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Self, TypeVar

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncEngine

from varco_common.base import subjects
from varco_common.base.errors import ConflictError, RefusedCommand, TransientError
from varco_common.bus import Bus
from varco_common.events import AttachmentLinked, Ending, LinkClosed, LinkExpired, LinkExtended, LinkRevoked
from varco_common.eventsourcing.projection import Projection
from varco_common.storage.object_store import ObjectStore
from varco_filelink.model import link_state
from varco_filelink.model.link_state import Link, LinkState

NAME = "filelink"
_ATTEMPTS = 20  # each download is an event of the account as well
_ENDS: dict[Ending, type[LinkExpired] | type[LinkRevoked]] = {
    Ending.EXPIRED: LinkExpired,
    Ending.REVOKED: LinkRevoked,
}
E = TypeVar("E", bound=AttachmentLinked | LinkExtended | LinkClosed | LinkExpired | LinkRevoked | None)


class LinkStore:
    """Reads are answered from memory.

    Making and ending share an account's files, so each is decided on the account's newest state, and appended only where
    that was still the newest: any number of processes may do both. No file is deleted before the link's end is an event.
    """

    def __init__(self, bus: Bus, blobs: ObjectStore, projection: Projection[Link], now: Callable[[], datetime]) -> None:
        self._bus, self._blobs, self._projection, self._now = bus, blobs, projection, now
        self._names: dict[str, str] = {}
        self._mails: dict[str, set[str]] = defaultdict(set)
        self._objects: dict[str, set[str]] = defaultdict(set)
        self._equal: dict[tuple[str, str], str] = {}
        for key, _ in projection.items():  # noqa: PERF102 - no dict
            self._index(key)
        projection.on_event(lambda key, _: self._index(key))

    @classmethod
    @asynccontextmanager
    async def open(
        cls, bus: Bus, engine: AsyncEngine, blobs: ObjectStore, now: Callable[[], datetime]
    ) -> AsyncIterator[Self]:
        """Caught up with the bus, and following it inside the block."""
        projection = Projection.of(link_state.PROJECTION, bus, engine, NAME)
        async with projection.following():
            yield cls(bus, blobs, projection, now)

    def get(self, link: str) -> Link | None:
        return self._projection.get(link)

    def at(self, name: str) -> Link | None:
        """The link whose address ends in `name`, its ending included. A name that is nearly right is like any other."""
        key = self._names.get(name)
        return self.get(key) if key else None

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
        last = await self._bus.events.last_sequence(subjects.event(NAME, "attachment-linked", subjects.token(account)))
        await self._projection.reached(last)
        return {link.part: link for key in self._mails.get(mail, ()) if (link := self.get(key))}

    async def caught_up(self) -> None:
        """Returns once all links are known that there are now, whoever made them."""
        await self._projection.reached(await self._bus.events.last_sequence(*link_state.FILTERS))

    async def make(self, event: AttachmentLinked) -> str:
        """Appends the link; its object is in the store. Gives the object it leads to: an equal one, where there is one.

        Raises TransientError where the object isn't there (any more), or the part has got its link meanwhile.
        """

        def link() -> AttachmentLinked:
            if any(self._projection.get(key).part == event.part for key in self._mails.get(event.mail, ())):  # type: ignore[union-attr]
                raise TransientError(f"part {event.part} has got its link from another process")
            return replace(event, object=self._equal.get((event.account, event.sha256), event.object))

        if not await self._blobs.exists(event.object):
            raise TransientError("the file has been swept: it took too long")
        said = await self._say(event.account, link)
        if said.object != event.object:
            await self._blobs.delete(event.object)
        return said.object

    async def extend(self, link: Link, until: datetime, by: str, reason: str) -> Link:
        """Raises RefusedCommand where the link has ended."""

        def extended() -> LinkExtended:
            if not self._current(link).live(self._now()):
                raise RefusedCommand("the link has ended: its file is gone")
            if until <= self._now():
                raise RefusedCommand("that time is over: revoke the link instead")
            return LinkExtended(
                at=self._now(), account=link.account, by=by, reason=reason, link=link.link, expires_at=until
            )

        await self._say(link.account, extended)
        return self._current(link)

    async def end(self, link: Link, why: Ending, by: str, reason: str) -> Link:
        """Closes the link, deletes the object where no other link needs it, asks the store, then says that it is gone.

        Raises TransientError while the store or the bus is away. Where it got as far as closing, the link leads nowhere any
        more, and the sweeper does the rest.
        """

        def closed() -> LinkClosed | LinkExpired | LinkRevoked | None:
            now = self._current(link)
            if now.state is not LinkState.LIVE or (why is Ending.EXPIRED and now.live(self._now())):
                return None  # ended or extended meanwhile
            at, account = self._now(), now.account
            if self._objects.get(now.object, set()) - {now.link}:
                return _ENDS[why](at=at, account=account, by=by, reason=reason, link=now.link)
            return LinkClosed(at=at, account=account, by=by, reason=reason, link=now.link, why=why)

        await self._say(link.account, closed)
        return await self.finish(link)

    async def finish(self, link: Link) -> Link:
        """Deletes the file of a link that was closed, and says so, once. Any process may, after any crash."""

        def ended() -> LinkExpired | LinkRevoked | None:
            now = self._current(link)
            if now.state is not LinkState.ENDING or now.closed is None:
                return None
            said = {"by": now.closed.by, "reason": now.closed.reason, "link": now.link, "gone": now.object}
            return _ENDS[now.closed.why](at=self._now(), account=now.account, **said)

        if self._current(link).state is LinkState.ENDING:
            await self._blobs.delete(link.object)
            if await self._blobs.exists(link.object):
                raise TransientError(f"the store still has {link.object}")
            await self._say(link.account, ended)
        return self._current(link)

    def _current(self, link: Link) -> Link:
        found = self.get(link.link)
        if found is None:
            raise ConflictError("the link is not known any more")
        return found

    async def _say(self, account: str, decide: Callable[[], E]) -> E:
        """Appends what `decide` says of the newest state, and nothing where that is None; asked anew if another was faster."""
        guard = subjects.event(NAME, "*", subjects.token(account))
        for _ in range(_ATTEMPTS):
            last = await self._bus.events.last_sequence(guard)
            await self._projection.reached(last)
            event = decide()
            if event is None:
                return event
            with suppress(ConflictError):
                await self._projection.reached(await self._bus.events.append(event, expect=last, expect_subject=guard))
                return event
        raise TransientError(f"too much happens at once to the links of {account}")

    def _index(self, key: str) -> None:
        link = self._projection.get(key)
        if link is None:
            return
        self._names[link.url.rpartition("/")[2]] = key
        self._mails[link.mail].add(key)
        same = (link.account, link.sha256)
        if link.state is LinkState.LIVE:
            self._objects[link.object].add(key)
            self._equal.setdefault(same, link.object)
            return
        held = self._objects.get(link.object, set())
        held.discard(key)
        if not held:
            self._objects.pop(link.object, None)
            if self._equal.get(same) == link.object:
                del self._equal[same]
