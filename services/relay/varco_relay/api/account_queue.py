"""HTTP: all mail of an account that waits for an attempt."""

from fastapi import APIRouter

from varco_common.runtime.auth import AccountScope
from varco_relay.api.schemas import DropIn, DroppedOut, QueueReasonIn, TouchedOut
from varco_relay.commands import drop_mail, retry_unless_held
from varco_relay.queue_service import QueueService
from varco_relay.untried_drops import UntriedDrops


def router(queue: QueueService, untried: UntriedDrops) -> APIRouter:
    api = APIRouter(prefix="/accounts/{account}/queue")

    @api.post("/retry", summary="Try all of it now")
    async def retry(account: str, token: AccountScope, why: QueueReasonIn | None = None) -> TouchedOut:
        """Mails that are held one by one stay held.

        Mail that waits for its first attempt is not concerned: it waits for the account's route.
        """
        waiting = [*queue.mails(account)]
        reason = why.reason if why else ""
        return TouchedOut(mails=await queue.execute_all(retry_unless_held, waiting, by=token.by, reason=reason))

    @api.post("/drop", summary="Give all of it up, without notifications")
    async def drop(account: str, token: AccountScope, why: DropIn) -> DroppedOut:
        """Mails that are held are dropped, too, and notifications to the account's senders.

        So are the oldest 5,000 that wait for their first attempt, while their own routes are down
        or all mail is held. `left` counts those that still wait for it: `more` of them go when you
        ask again; the others are being tried now, or their route takes mail. Hold all mail, and
        ask again once their attempts have ended. Copies that archive forwards stay.
        """
        first = await untried.drop_all(account, by=token.by, reason=why.reason)
        waiting = await queue.without_copies(account)
        mails = await queue.execute_all(drop_mail, waiting, by=token.by, reason=why.reason)
        await queue.reached(first.sequence)
        return DroppedOut(mails=mails + first.mails, left=first.left, more=first.more)

    return api
