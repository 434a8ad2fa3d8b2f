"""Ends links whose time is over, and deletes objects that no link leads to."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from varco_common.base import log
from varco_common.base.errors import VarcoError
from varco_common.events import Ending
from varco_common.storage.object_store import ObjectStore
from varco_filelink import metrics
from varco_filelink.link_store import NAME, LinkStore
from varco_filelink.model.link_state import LinkState

_log = log.get(__name__)


class LinkSweeper:
    """`expire` and `sweep` are what it does; `run` does both again and again."""

    def __init__(
        self, links: LinkStore, files: ObjectStore, orphan_age: timedelta, now: Callable[[], datetime]
    ) -> None:
        self._links, self._files, self._orphan_age, self._now = links, files, orphan_age, now

    async def run(self, expire_every: timedelta, sweep_every: timedelta) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(_again(self.expire, expire_every), name="expire links")
            group.create_task(_again(self.sweep, sweep_every), name="sweep objects")

    async def expire(self) -> None:
        """Ends what is over; what was closed, by whichever process, comes to its end."""
        now = self._now()
        for link in [link for link in self._links.all() if link.state is LinkState.ENDING]:
            await self._links.finish(link)
        for link in [link for link in self._links.all() if link.state is LinkState.LIVE and link.expires_at <= now]:
            await self._links.end(link, Ending.EXPIRED, NAME, "its time is over")

    async def sweep(self) -> None:
        """Deletes what a conversion left behind that never came to its end.

        An object is written once, and in a link's event within minutes or never: those of `orphan_age` that no live link
        needs are orphans. Links that another process has made are known by then.
        """
        await self._files.abort_uploads(self._orphan_age)
        old = await self._files.keys(self._orphan_age)
        await self._links.caught_up()
        for key in {*old} - self._links.objects:
            await self._files.delete(key)
            metrics.SWEPT.inc()
            _log.info("an orphaned object was deleted", object=key)


async def _again(work: Callable[[], Awaitable[None]], every: timedelta) -> None:
    while True:
        try:
            await work()
        except VarcoError as error:
            _log.warning("to be tried again", work=getattr(work, "__name__", ""), error=str(error))
        await asyncio.sleep(every.total_seconds())
