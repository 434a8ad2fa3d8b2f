"""The ban log as text."""

from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query
from fastapi.responses import PlainTextResponse, StreamingResponse

from varco_banguard.ban_log import BanLog, LogLine
from varco_banguard.fail2ban_format import accounts_allowed_to_read, log_record
from varco_banguard.normalization import normal_network
from varco_common.events import HostEvent
from varco_common.runtime.auth import Caller
from varco_common.runtime.follower_limit import FollowerLimit


def router(ban_log: BanLog) -> APIRouter:
    api, followers = APIRouter(tags=["log"]), FollowerLimit()

    @api.get("/log", response_class=PlainTextResponse, responses={200: {"content": {"application/x-ndjson": {}}}})
    async def read_log(
        token: Caller,
        ip: Annotated[str, Query(description="Only the lines of this host, all that there ever were.")] = "",
        lines: Annotated[int, Query(ge=0, le=100_000, description="How many of the newest lines.")] = 1_000,
        *,
        follow: Annotated[bool, Query(description="Go on with new lines as they come.")] = False,
        json: Annotated[bool, Query(description="Each line as an object, for programs.")] = False,
    ) -> StreamingResponse:
        """The ban log, in fail2ban's format. A token may follow 20 streams at once."""
        host = str(normal_network(ip).network_address) if ip else ""

        def may_read(event: HostEvent) -> bool:
            return token.is_admin or token.scope in accounts_allowed_to_read(event)

        async def text() -> AsyncIterator[str]:
            live = ban_log.live(host, may_read) if follow else None
            for line in await ban_log.past(host, may_read, lines) if lines else []:
                yield encoded(line)
            if live:
                async for line in live:
                    yield encoded(line)

        def encoded(line: LogLine) -> str:
            return f"{msgspec.json.encode(log_record(line.event)).decode() if json else line.text}\n"

        media_type = "application/x-ndjson" if json else "text/plain"
        if follow:
            return followers.stream(token, text(), media_type)
        return StreamingResponse(text(), media_type=media_type)

    return api
