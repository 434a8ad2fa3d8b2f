"""Routes about dead letters, for admins only: what can't be decoded belongs to no account."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from varco_audit.api.parameters import SERVICES, check_known
from varco_audit.dead_letters.operations import DeadLetters, OpenedDeadLetter
from varco_common.runtime.auth import Admin

Reason = Annotated[str, Query(max_length=1_000, description="Why; it goes into the event.")]
NeededReason = Annotated[str, Query(min_length=1, max_length=1_000, description="Why; it goes into the event.")]


class DeadLetterOut(BaseModel):
    """What was parked, by which service, and why."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    service: str
    stream: str
    sequence: int
    consumer: str
    why: str
    at: datetime
    times: int


class OpenedDeadLetterOut(DeadLetterOut):
    """With the envelope of its mail. `unread` says why that can't be shown."""

    unread: str
    kind: str = ""
    mail: str = ""
    account: str = ""
    sender: str = ""
    recipients: list[str] = []
    size: int = 0
    accepted_at: datetime | None = None

    @classmethod
    def of(cls, opened: OpenedDeadLetter) -> "OpenedDeadLetterOut":
        letter = DeadLetterOut.model_validate(opened.letter).model_dump()
        if not opened.mail:
            return cls(**letter, unread=opened.unread)
        envelope = opened.mail.record.envelope
        return cls(
            **letter,
            unread="",
            kind=opened.mail.subject.split(".", 2)[1],
            mail=envelope.id,
            account=envelope.account,
            sender=envelope.sender,
            recipients=list(envelope.recipients),
            size=opened.mail.record.body.size,
            accepted_at=envelope.received_at,
        )


class ClosedDeadLetterOut(BaseModel):
    """The id of a dead letter that has been dealt with."""

    id: str


def router(dead_letters: DeadLetters) -> APIRouter:
    """All routes about dead letters."""
    api = APIRouter(tags=["dead letters"])

    @api.get("/deadletters")
    async def deadletters(_: Admin, service: str = "") -> list[DeadLetterOut]:
        """Those that have not been dealt with, the oldest first."""
        check_known("service", filter(None, [service]), SERVICES)
        return [DeadLetterOut.model_validate(letter) for letter in dead_letters.all(service)]

    @api.get("/deadletters/{name}")
    async def deadletter(name: str, _: Admin) -> OpenedDeadLetterOut:
        """One, with the envelope of its mail."""
        return OpenedDeadLetterOut.of(await dead_letters.open(name))

    @api.post("/deadletters/{name}/redelivery")
    async def redeliver(name: str, token: Admin, reason: Reason = "") -> ClosedDeadLetterOut:
        """The consumer that parked it handles it again, and no other. 422 if it can't."""
        await dead_letters.redeliver(name, token.by, reason)
        return ClosedDeadLetterOut(id=name)

    @api.delete("/deadletters/{name}")
    async def drop(name: str, token: Admin, reason: NeededReason) -> ClosedDeadLetterOut:
        """It will never be handled. The record stays in MAIL for VARCO_NATS_MAIL_DAYS."""
        await dead_letters.drop(name, token.by, reason)
        return ClosedDeadLetterOut(id=name)

    return api
