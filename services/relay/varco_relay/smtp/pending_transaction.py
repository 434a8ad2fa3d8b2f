"""A mail on its way through a lane, and how that can end."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum

from varco_relay.smtp.smtp_reply import SmtpReply
from varco_relay.smtp.transaction import Transaction


class Stage(IntEnum):
    """How far a mail got; from BODY on, a lost connection leaves open whether the next hop has it."""

    WAITING = 0
    ENVELOPE = 1
    BODY = 2


@dataclass(slots=True, eq=False)
class PendingTransaction:
    """A parcel on its way, and what was said to each recipient so far."""

    parcel: Transaction
    done: "asyncio.Future[Result]"
    stage: Stage = Stage.WAITING
    said: dict[str, SmtpReply] = field(default_factory=dict)

    def settle(self, said: SmtpReply, tls: str = "") -> None:
        """`said` holds for every recipient that heard nothing else."""
        for recipient in self.parcel.recipients:
            self.said.setdefault(recipient, said)
        self.finish(Completed(said=self.said, tls=tls))

    def finish(self, result: "Result") -> None:
        if not self.done.done():
            self.done.set_result(result)


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """The attempt is over: what each recipient was told. `tls` is the protocol, empty where none."""

    said: dict[str, SmtpReply]
    tls: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAttempted:
    """No attempt was made: the route is down, and why."""

    why: str


Result = Completed | NotAttempted
NextTransaction = Callable[[], PendingTransaction | None]
