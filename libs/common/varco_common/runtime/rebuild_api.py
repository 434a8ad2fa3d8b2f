"""`POST /rebuild` of every service with tables.

A process of its own does the work, so that the service itself goes on.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from varco_common.base import child_process
from varco_common.base.errors import RefusedCommand
from varco_common.base.settings import Settings
from varco_common.eventsourcing.rebuild.frames import RebuildStart
from varco_common.runtime.auth import Admin


def router(service: str, module: str, settings: Settings) -> APIRouter:
    """`module` is the name of the module with SETTINGS and PROJECTIONS.

    One rebuild runs at a time. It ends when its client disconnects.
    """
    routes = APIRouter(tags=["rebuild"])
    running = asyncio.Lock()

    @routes.post("/rebuild", response_class=StreamingResponse)
    async def rebuild(
        _: Admin,
        swap: Annotated[bool, Query(description="The new tables take the live ones' place at the next start.")] = False,
    ) -> StreamingResponse:
        """Rebuilds all projections and compares them with the live tables.

        JSON lines; the last is done or failed.
        """
        if running.locked():
            raise RefusedCommand("a rebuild is going on already: ask again when it has ended")
        start = RebuildStart(service, settings.model_dump(mode="json"), swap)
        return StreamingResponse(_lines(module, start, running), media_type="application/x-ndjson")

    return routes


async def _lines(module: str, start: RebuildStart, running: asyncio.Lock) -> AsyncIterator[bytes]:
    async with (
        running,
        child_process.running("varco_common.eventsourcing.rebuild", module, start, piped=True) as process,
    ):
        assert process.stdout
        async for line in process.stdout:
            yield line
