"""The route that tells what became of one mail."""

from typing import Annotated

from fastapi import APIRouter, Path

from varco_audit.trace.model import Trace
from varco_audit.trace.tracer import Tracer
from varco_common.runtime.auth import Caller, visible_account


def router(tracer: Tracer) -> APIRouter:
    """The only route."""
    api = APIRouter(tags=["traces"])

    @api.get("/traces/{what:path}", summary="What became of a mail")
    async def trace(
        what: Annotated[
            str,
            Path(
                max_length=1_000, description="A mail's id, a Message-ID, a recipient, a sender, or words of a subject."
            ),
        ],
        token: Caller,
    ) -> Trace:
        """The mail's timeline, or the mails that match. An account's token sees its own."""
        return await tracer.trace(what, visible_account(token))

    return api
