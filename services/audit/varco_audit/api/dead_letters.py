"""Dead letters over HTTP: for admins alone, for a record that can't be read belongs to nobody."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from varco_audit.dead_letters.commands import DeadLetters, OpenedDeadLetter
from varco_audit.dead_letters.model import DeadLetter
from varco_common.runtime.auth import Admin

Why = Annotated[str, Query(max_length=1_000, description="Why; it goes into the event.")]
NeededWhy = Annotated[str, Query(min_length=1, max_length=1_000, description="Why; it goes into the event.")]


class DeadLetterOut(BaseModel):
    """What was parked, by whom, and why."""

    id: str
    service: str
    stream: str
    sequence: int
    consumer: str
    why: str
    at: datetime
    times: int

    @classmethod
    def of(cls, letter: DeadLetter) -> "DeadLetterOut":
        return cls(
            id=letter.id,
            service=letter.service,
            stream=letter.stream,
            sequence=letter.sequence,
            consumer=letter.consumer,
            why=letter.why,
            at=letter.at,
            times=letter.times,
        )


class OpenedDeadLetterOut(DeadLetterOut):
    """With what is in it, the body left out. `unread` says why that can't be told."""

    unread: str
    kind: str = ""
    mail: str = ""
    account: str = ""
    sender: str = ""
    recipients: list[str] = []
    size: int = 0
    accepted_at: datetime | None = None

    @classmethod
    def of_opened(cls, opened: OpenedDeadLetter) -> "OpenedDeadLetterOut":
        head = DeadLetterOut.of(opened.letter).model_dump()
        if not opened.mail:
            return cls(**head, unread=opened.unread)
        envelope = opened.mail.record.envelope
        return cls(
            **head,
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
    """The letter that there is no more."""

    id: str


def router(dead: DeadLetters) -> APIRouter:
    """All routes about dead letters."""
    api = APIRouter(tags=["dead letters"])

    @api.get("/deadletters")
    async def deadletters(_: Admin, service: str = "") -> list[DeadLetterOut]:
        """Those that nobody has dealt with, the oldest first."""
        return [DeadLetterOut.of(letter) for letter in dead.all(service)]

    @api.get("/deadletters/{name}")
    async def deadletter(name: str, _: Admin) -> OpenedDeadLetterOut:
        """One, with what is in it."""
        return OpenedDeadLetterOut.of_opened(await dead.open(name))

    @api.post("/deadletters/{name}/redelivery")
    async def redeliver(name: str, token: Admin, reason: Why = "") -> ClosedDeadLetterOut:
        """The consumer that parked it takes it once more, and no other; 422 where it is dead still."""
        await dead.redeliver(name, f"token:{token.id}", reason)
        return ClosedDeadLetterOut(id=name)

    @api.delete("/deadletters/{name}")
    async def drop(name: str, token: Admin, reason: NeededWhy) -> ClosedDeadLetterOut:
        """Nobody will deal with it any more. The record stays where it is for as long as MAIL keeps it."""
        await dead.drop(name, f"token:{token.id}", reason)
        return ClosedDeadLetterOut(id=name)

    return api
