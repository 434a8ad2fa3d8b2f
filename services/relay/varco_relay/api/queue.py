"""HTTP: the mails that wait for another attempt."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query

from varco_common.base.errors import RefusedCommand
from varco_common.runtime.auth import Caller, visible_account
from varco_common.runtime.tokens import ApiToken
from varco_relay.api.schemas import DropIn, QueuedOut, QueuePage, QueueReasonIn, UntriedOut
from varco_relay.commands import drop_mail, hold_mail, release_mail, retry_mail
from varco_relay.gauges import oldest_seconds
from varco_relay.model.queue import QueuedMail
from varco_relay.queue_service import QueueCommand, QueueService
from varco_relay.untried_drops import COPY_STAYS, MAX_UNTRIED, UntriedDrops
from varco_relay.worker_supervisor import WorkerSupervisor


def router(queue: QueueService, workers: WorkerSupervisor, untried: UntriedDrops) -> APIRouter:
    api = APIRouter(prefix="/queue")

    @api.get("", summary="Mails that wait for another attempt")
    async def page(
        token: Caller,
        account: Annotated[str, Query(description="Only this account's")] = "",
        cursor: Annotated[str, Query(description="`next` of the page before")] = "",
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
        *,
        held: Annotated[bool | None, Query(description="Only those held, or only those not held")] = None,
    ) -> QueuePage:
        scope = visible_account(token, account)
        mails, total = queue.page(scope, held=held, after=cursor, limit=limit)
        return QueuePage(
            mails=[QueuedOut.model_validate(state) for state in mails],
            next=mails[-1].mail if len(mails) == limit else "",
            total=total,
            oldest_seconds=oldest_seconds(queue, workers, scope),
            untried=await workers.untried(scope),
            untried_mails=[] if cursor or held else await _untried(workers, scope, limit),
        )

    @api.get("/{mail}", summary="One mail that waits")
    async def show(token: Caller, mail: str) -> QueuedOut:
        """Also one that waits for its first attempt, among the oldest 1,000 of those."""
        if queue.get(mail) is None:
            for waiting in await _untried(workers, visible_account(token, ""), MAX_UNTRIED):
                if waiting.mail == mail:
                    return waiting.as_queued()
        return QueuedOut.model_validate(_queued(queue, token, mail))

    @api.post("/{mail}/retry", summary="Try it now")
    async def retry(token: Caller, mail: str, why: QueueReasonIn | None = None) -> QueuedOut:
        return await _changed(queue, token, mail, retry_mail, why)

    @api.post("/{mail}/hold", summary="Don't try it until it is released")
    async def hold(token: Caller, mail: str, why: QueueReasonIn | None = None) -> QueuedOut:
        return await _changed(queue, token, mail, hold_mail, why)

    @api.post("/{mail}/release", summary="Try a held mail again")
    async def release(token: Caller, mail: str, why: QueueReasonIn | None = None) -> QueuedOut:
        return await _changed(queue, token, mail, release_mail, why)

    @api.post("/{mail}/drop", summary="Give it up, without a notification", status_code=204)
    async def drop(token: Caller, mail: str, why: DropIn) -> None:
        """Also before its first attempt, while it waits for its route or is held with all mail.

        409 while an attempt goes on that began before. A copy that archive forwards is dropped by
        an operator's token alone.
        """
        await _drop(queue, untried, token, mail, why.reason)

    return api


async def _untried(workers: WorkerSupervisor, scope: str, limit: int) -> list[UntriedOut]:
    mails = await workers.untried_mails(scope, limit)
    destinations = [workers.destination(mail.account) for mail in mails]
    return [
        UntriedOut.of(mail, at.name, "" if workers.is_tried_now(mail) else workers.waits_for(mail))
        for mail, at in zip(mails, destinations, strict=True)
    ]


async def _drop(queue: QueueService, untried: UntriedDrops, token: ApiToken, mail: str, reason: str) -> None:
    own = visible_account(token, "")
    if queue.get(mail) is None and (sequence := await untried.drop(own, mail, by=token.by, reason=reason)):
        await queue.reached(sequence)
        return
    state = _queued(queue, token, mail)
    if own and await queue.is_copy(state):
        raise RefusedCommand(COPY_STAYS)
    await queue.execute(drop_mail, state, by=token.by, reason=reason)


def _queued(queue: QueueService, token: ApiToken, mail: str) -> QueuedMail:
    """Raises 404, also for a mail of another account."""
    state = queue.get(mail)
    if state is None or not token.covers(state.account):
        why = (
            "it waits for its first attempt (hold all mail of its account, then it can be dropped), or has come to "
            "its end (see its trace)"
        )
        raise HTTPException(404, f"No mail {mail} waits for another attempt: {why}.")
    return state


async def _changed(
    queue: QueueService, token: ApiToken, mail: str, command: QueueCommand, why: QueueReasonIn | None
) -> QueuedOut:
    reason = why.reason if why else ""
    await queue.execute(command, _queued(queue, token, mail), by=token.by, reason=reason)
    state = queue.get(mail)
    if state is None:
        raise HTTPException(404, f"No mail {mail} waits in the queue any more.")
    return QueuedOut.model_validate(state)
