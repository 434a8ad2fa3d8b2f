"""HTTP: all mail of an account that waits for another attempt."""

from fastapi import APIRouter

from varco_common.runtime.auth import AccountScope
from varco_relay.api.schemas import DropIn, QueueReasonIn, TouchedOut
from varco_relay.commands import drop_mail, retry_unless_held
from varco_relay.queue_service import QueueService


def router(queue: QueueService) -> APIRouter:
    """Mail that waits for its first attempt is not concerned: it waits for the account's route."""
    api = APIRouter(prefix="/accounts/{account}/queue")

    @api.post("/retry", summary="Try all of it now")
    async def retry(account: str, token: AccountScope, why: QueueReasonIn | None = None) -> TouchedOut:
        """Mails that are held one by one stay held."""
        waiting = [*queue.mails(account)]
        reason = why.reason if why else ""
        return TouchedOut(mails=await queue.execute_all(retry_unless_held, waiting, by=token.by, reason=reason))

    @api.post("/drop", summary="Give all of it up, without notifications")
    async def drop(account: str, token: AccountScope, why: DropIn) -> TouchedOut:
        """Mails that are held are dropped, too."""
        mails = [*queue.mails(account)]
        return TouchedOut(mails=await queue.execute_all(drop_mail, mails, by=token.by, reason=why.reason))

    return api
