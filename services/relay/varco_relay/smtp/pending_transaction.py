"""A transaction in a connection pool, from its queue to its result."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum

from varco_relay.smtp.smtp_reply import SmtpReply
from varco_relay.smtp.transaction import SmtpTransaction


class Stage(IntEnum):
    """How far a mail got.

    From BODY on, a lost connection leaves open whether the next hop took it.
    """

    WAITING = 0
    ENVELOPE = 1
    BODY = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """The attempt is over, with a reply for each recipient.

    `tls` is the TLS version, empty without TLS; `dkim` as in MailDelivered. `dsn`: the next hop
    sends the notifications that the sender asked for.
    """

    replies: dict[str, SmtpReply]
    tls: str = ""
    dkim: str = ""
    dsn: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAttempted:
    """No attempt was made, because the route is down. `reason` says why."""

    reason: str


Result = Completed | NotAttempted


@dataclass(slots=True, eq=False)
class PendingTransaction:
    """A transaction on its way, with the replies for its recipients so far.

    `transaction` is as the connection needs it, in 7 bits or signed; `given` as it came.
    """

    given: SmtpTransaction
    result: "asyncio.Future[Result]"
    stage: Stage = Stage.WAITING
    commands: list[bytes] = field(default_factory=list)
    replies: dict[str, SmtpReply] = field(default_factory=dict)
    transaction: SmtpTransaction = field(init=False)

    def __post_init__(self) -> None:
        self.transaction = self.given

    @property
    def done(self) -> bool:
        return self.result.done()

    def complete(self, reply: SmtpReply, tls: str = "", *, dsn: bool = False) -> None:
        """Completes the attempt: `reply` holds for every recipient without a reply of its own."""
        for recipient in self.transaction.recipients:
            self.replies.setdefault(recipient, reply)
        self.finish(Completed(replies=self.replies, tls=tls, dsn=dsn, dkim=self.transaction.dkim))

    def finish(self, result: Result) -> None:
        if not self.done:
            self.result.set_result(result)

    def requeue(self) -> None:
        """Forgets what the lost connection achieved: the next one may need the mail otherwise."""
        self.transaction = self.given
        self.stage = Stage.WAITING
        self.replies.clear()


NextTransaction = Callable[[], PendingTransaction | None]
"""Takes the next transaction from the queue; None if there is none."""
