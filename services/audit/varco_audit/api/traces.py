"""What became of one mail, over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Path

from varco_audit.trace.model import Trace
from varco_audit.trace.tracer import Tracer
from varco_common.runtime.auth import Caller


def router(tracer: Tracer) -> APIRouter:
    """All routes about traces."""
    api = APIRouter(tags=["traces"])

    @api.get("/traces/{what:path}", summary="What became of a mail")
    async def trace(
        what: Annotated[
            str,
            Path(max_length=1_000, description="A mail's id, a decision's id, a Message-ID, a recipient or a sender."),
        ],
        token: Caller,
    ) -> Trace:
        """Its whole story; where several mails are meant, the mails to choose from. An account's token sees its own alone."""
        return await tracer.trace(what, "" if token.is_admin else token.scope)

    return api
