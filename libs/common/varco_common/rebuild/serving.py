"""`POST /rebuild` of every service with tables: a process of its own does it, so that live work doesn't wait."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from varco_common import child
from varco_common.auth import Admin
from varco_common.errors import RefusedCommand
from varco_common.settings import Settings


class Start(msgspec.Struct, frozen=True):
    """What the process is told on its standard input, in one line."""

    service: str
    settings: dict[str, Any]
    swap: bool


def router(service: str, module: str, settings: Settings) -> APIRouter:
    """`module` names the service's SETTINGS and PROJECTIONS. One rebuild at a time; it ends when nobody listens."""
    routes = APIRouter(tags=["rebuild"])
    running = asyncio.Lock()

    @routes.post("/rebuild", response_class=StreamingResponse)
    async def rebuild(
        _: Admin,
        swap: Annotated[bool, Query(description="The new tables take the live ones' place at the next start.")] = False,
    ) -> StreamingResponse:
        """Builds all projections anew and compares them with the live tables: JSON lines, the last one is done or failed."""
        if running.locked():
            raise RefusedCommand("a rebuild is going on already: ask again when it has ended")
        start = Start(service, settings.model_dump(mode="json"), swap)
        return StreamingResponse(_lines(module, start, running), media_type="application/x-ndjson")

    return routes


async def _lines(module: str, start: Start, running: asyncio.Lock) -> AsyncIterator[bytes]:
    async with running, child.running("varco_common.rebuild", module, start, heard=True) as process:
        assert process.stdout
        async for line in process.stdout:
            yield line
