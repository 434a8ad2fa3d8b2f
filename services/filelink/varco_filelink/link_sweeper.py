"""Has links ended whose time is over, and deletes objects that no link ever led to."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from varco_common.base import log
from varco_common.base.errors import VarcoError
from varco_common.events import Ending
from varco_common.storage.object_store import ObjectStore
from varco_filelink import metrics
from varco_filelink.link_store import NAME, LinkStore
from varco_filelink.model.link_state import LinkState

EXPIRE_SECONDS = 60.0  # an expired link leads nowhere at once; only its file stays for so long
SWEEP_SECONDS = 3_600.0  # orphans are rare: only a conversion that was cut off leaves one
ORPHAN_AGE = timedelta(days=1)  # far above the minutes from the first byte of a file to its link

_log = log.get(__name__)


class LinkSweeper:
    """`run` calls `expire` and `sweep` again and again."""

    def __init__(self, links: LinkStore, files: ObjectStore) -> None:
        self._links, self._files = links, files

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(_repeat(self.expire, EXPIRE_SECONDS), name="expire links")
            group.create_task(_repeat(self.sweep, SWEEP_SECONDS), name="sweep objects")

    async def expire(self) -> None:
        """Ends expired links, and finishes those that any process has closed."""
        now = datetime.now(UTC)
        for link in [link for link in self._links.all() if link.state is LinkState.ENDING]:
            await self._links.finish(link)
        for link in [link for link in self._links.all() if link.state is LinkState.LIVE and link.expires_at <= now]:
            await self._links.end(link, Ending.EXPIRED, NAME, "its time is over")

    async def sweep(self) -> None:
        """Deletes what an unfinished conversion left behind.

        An object is written once, and its link is appended within minutes or never. So objects of
        ORPHAN_AGE that no live link leads to are orphans. First the links of all are read.
        """
        await self._files.abort_uploads(ORPHAN_AGE)
        old = await self._files.keys(ORPHAN_AGE)
        await self._links.caught_up()
        for key in {*old} - self._links.objects:
            await self._files.delete(key)
            metrics.SWEPT.inc()
            _log.info("an orphaned object was deleted", object=key)


async def _repeat(work: Callable[[], Awaitable[None]], seconds: float) -> None:
    while True:
        try:
            await work()
        except VarcoError as error:
            _log.warning("failed, to be repeated", work=getattr(work, "__name__", ""), error=str(error))
        await asyncio.sleep(seconds)
