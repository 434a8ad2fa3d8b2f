"""All links in memory, kept current by the events; adds, extends and ends links."""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Self, TypeVar

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncEngine

from varco_common.base import subjects
from varco_common.base.errors import ConflictError, RefusedCommand, TransientError
from varco_common.bus import Bus
from varco_common.events import AttachmentLinked, Ending, LinkClosed, LinkExpired, LinkExtended, LinkRevoked
from varco_common.eventsourcing.projection import Projection
from varco_common.storage.object_store import ObjectStore
from varco_filelink.link_addresses import HIDDEN, link_id
from varco_filelink.model import link_state
from varco_filelink.model.link_state import Link, LinkState

NAME = "filelink"
_ATTEMPTS = 20  # each download is an event of the account as well
_ENDINGS: dict[Ending, type[LinkExpired] | type[LinkRevoked]] = {
    Ending.EXPIRED: LinkExpired,
    Ending.REVOKED: LinkRevoked,
}
E = TypeVar("E", bound=AttachmentLinked | LinkExtended | LinkClosed | LinkExpired | LinkRevoked | None)


class LinkStore:
    """Reads are answered from memory.

    Equal files of an account share one object, so every change is decided on the account's newest
    state and appended only if no event came in between: any number of processes may change links.
    A file is deleted only after its last link was closed.
    """

    def __init__(self, bus: Bus, files: ObjectStore, projection: Projection[Link]) -> None:
        self._bus, self._files, self._projection = bus, files, projection
        self._earlier: dict[str, str] = {}  # by the end of the address, which events of earlier versions have
        self._by_mail: dict[str, set[str]] = defaultdict(set)
        self._by_object: dict[str, set[str]] = defaultdict(set)  # live links only
        self._object_of: dict[tuple[str, str], str] = {}  # by account and SHA-256
        for key, _ in projection.items():  # noqa: PERF102 - no dict
            self._index(key)
        projection.on_event(lambda key, _: self._index(key))

    @classmethod
    @asynccontextmanager
    async def open(cls, bus: Bus, engine: AsyncEngine, files: ObjectStore) -> AsyncIterator[Self]:
        """Has caught up with the bus when the block begins, and follows it inside the block."""
        projection = Projection(link_state.PROJECTION, bus, engine, NAME)
        async with projection.following():
            yield cls(bus, files, projection)

    def get(self, link: str) -> Link | None:
        return self._projection.get(link)

    def by_name(self, name: str) -> Link | None:
        """The link whose address ends in `name`. One look into each of two tables, for any name."""
        earlier = self._earlier.get(name)
        return self.get(earlier or link_id(name))

    def all(self) -> Iterable[Link]:
        """In no order. The caller must not await while it iterates."""
        return (link for _, link in self._projection.items())

    @property
    def stored(self) -> int:
        """Bytes of the files that live links lead to."""
        firsts = (self.get(next(iter(keys))) for keys in self._by_object.values())
        return sum(link.size for link in firsts if link)

    @property
    def live(self) -> int:
        return sum(len(keys) for keys in self._by_object.values())

    @property
    def objects(self) -> set[str]:
        """The objects that live links lead to."""
        return {*self._by_object}

    async def check(self) -> None:
        """For /readyz."""
        await self._projection.check()

    async def of_mail(self, account: str, mail: str) -> dict[str, Link]:
        """The links of this mail by part, those that other processes made included."""
        await self._projection.reach_last(AttachmentLinked.subject_filter(subjects.token(account)))
        return {link.part: link for key in self._by_mail.get(mail, ()) if (link := self.get(key))}

    async def caught_up(self) -> None:
        """Returns once all links are known that exist now, whichever process made them."""
        await self._projection.reach_last(*link_state.FILTERS)

    async def add(self, event: AttachmentLinked) -> str:
        """Appends the link of a stored file. Returns its object, or that of an equal file.

        Raises TransientError if the file is gone, or the part has got a link meanwhile.
        """

        def decide() -> AttachmentLinked:
            links = (self.get(key) for key in self._by_mail.get(event.mail, ()))
            if any(link and link.part == event.part for link in links):
                raise TransientError(f"part {event.part} has got its link from another process")
            return replace(event, object=self._object_of.get((event.account, event.sha256), event.object))

        if not await self._files.exists(event.object):
            raise TransientError("the file has been swept: it took too long")
        appended = await self._append(event.account, decide)
        if appended.object != event.object:
            await self._files.delete(event.object)
        return appended.object

    async def extend(self, link: Link, until: datetime, by: str, reason: str) -> Link:
        """Raises RefusedCommand if the link has ended."""

        def decide() -> LinkExtended:
            if not self._current(link).live(datetime.now(UTC)):
                raise RefusedCommand("the link has ended: its file is gone")
            if until <= datetime.now(UTC):
                raise RefusedCommand("that time is over: revoke the link instead")
            return LinkExtended(
                at=datetime.now(UTC), account=link.account, by=by, reason=reason, link=link.link, expires_at=until
            )

        await self._append(link.account, decide)
        return self._current(link)

    async def end(self, link: Link, why: Ending, by: str, reason: str) -> Link:
        """Closes the link, deletes its file unless another link needs it, and appends the end.

        Raises TransientError while the store or the bus is away. If the link was closed by then, it
        leads nowhere any more and the sweeper does the rest.
        """

        def decide() -> LinkClosed | LinkExpired | LinkRevoked | None:
            current = self._current(link)
            if current.state is not LinkState.LIVE or (why is Ending.EXPIRED and current.live(datetime.now(UTC))):
                return None  # ended or extended meanwhile
            at, account = datetime.now(UTC), current.account
            if self._by_object.get(current.object, set()) - {current.link}:
                return _ENDINGS[why](at=at, account=account, by=by, reason=reason, link=current.link)
            return LinkClosed(at=at, account=account, by=by, reason=reason, link=current.link, why=why)

        await self._append(link.account, decide)
        return await self.finish(link)

    async def finish(self, link: Link) -> Link:
        """Deletes the file of a closed link and appends its end, once.

        Any process may, after any crash.
        """

        def decide() -> LinkExpired | LinkRevoked | None:
            current = self._current(link)
            if current.state is not LinkState.ENDING or current.closed is None:
                return None
            closed = current.closed
            return _ENDINGS[closed.why](
                at=datetime.now(UTC),
                account=current.account,
                by=closed.by,
                reason=closed.reason,
                link=current.link,
                gone=current.object,
            )

        if self._current(link).state is LinkState.ENDING:
            await self._files.delete(link.object)
            if await self._files.exists(link.object):
                raise TransientError(f"the store still has {link.object}")
            await self._append(link.account, decide)
        return self._current(link)

    def _current(self, link: Link) -> Link:
        current = self.get(link.link)
        if current is None:
            raise ConflictError("the link is not known any more")
        return current

    async def _append(self, account: str, decide: Callable[[], E]) -> E:
        """Appends what `decide` returns, if anything; decides again after a conflict."""
        subject = subjects.event(NAME, "*", subjects.token(account))
        for _ in range(_ATTEMPTS):
            last = await self._projection.reach_last(subject)
            event = decide()
            if event is None:
                return event
            with suppress(ConflictError):
                sequence = await self._bus.events.append(event, expect=last, expect_subject=subject)
                await self._projection.reached(sequence)
                return event
        raise TransientError(f"too much happens at once to the links of {account}")

    def _index(self, key: str) -> None:
        link = self._projection.get(key)
        if link is None:
            return
        if HIDDEN not in (name := link.url.rpartition("/")[2]):
            self._earlier[name] = key
        self._by_mail[link.mail].add(key)
        content = (link.account, link.sha256)
        if link.state is LinkState.LIVE:
            self._by_object[link.object].add(key)
            self._object_of.setdefault(content, link.object)
            return
        keys = self._by_object.get(link.object, set())
        keys.discard(key)
        if not keys:
            self._by_object.pop(link.object, None)
            if self._object_of.get(content) == link.object:
                del self._object_of[content]
