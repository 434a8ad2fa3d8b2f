"""What an attempt achieved: from the reply for each recipient to delivered, deferred or bounced.

Pure.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum

import msgspec

from varco_common.events import Failure
from varco_relay.smtp.smtp_reply import SmtpReply


class DeliveryStatus(StrEnum):
    """What became of one recipient in one attempt."""

    DELIVERED = "delivered"
    DEFERRED = "deferred"
    BOUNCED = "bounced"


class AttemptOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """The recipients of one attempt by status; `answer` is the reply to those delivered.

    `untried` exceeded the number of recipients that the next hop takes in one transaction.
    """

    delivered: tuple[str, ...] = ()
    answer: str = ""
    deferred: tuple[Failure, ...] = ()
    bounced: tuple[Failure, ...] = ()
    untried: tuple[str, ...] = ()


def delivery_status(reply: SmtpReply) -> DeliveryStatus:
    """2xx is delivered, 5xx is bounced.

    Anything else, even a lost connection, may work the next time.
    """
    if 200 <= reply.code < 300:
        return DeliveryStatus.DELIVERED
    return DeliveryStatus.BOUNCED if 500 <= reply.code < 600 else DeliveryStatus.DEFERRED


def outcome_of(replies: Mapping[str, SmtpReply]) -> AttemptOutcome:
    """Sorts the recipients of one attempt by their replies."""
    statuses = {recipient: delivery_status(reply) for recipient, reply in replies.items()}
    delivered = tuple(recipient for recipient, status in statuses.items() if status is DeliveryStatus.DELIVERED)
    untried = {recipient for recipient, reply in replies.items() if delivered and _too_many_recipients(reply)}

    def failed(status: DeliveryStatus) -> tuple[Failure, ...]:
        return _failures(replies, (r for r, its in statuses.items() if its is status and r not in untried))

    return AttemptOutcome(
        delivered=delivered,
        answer=replies[delivered[0]].line if delivered else "",
        deferred=failed(DeliveryStatus.DEFERRED),
        bounced=failed(DeliveryStatus.BOUNCED),
        untried=tuple(recipient for recipient in replies if recipient in untried),
    )


def _too_many_recipients(reply: SmtpReply) -> bool:
    """RFC 5321 4.5.3.1.10: 452, from old servers 552, once a transaction has enough recipients."""
    return reply.code in (452, 552) and reply.status[1:] in (".5.3", ".0.0")


def _failures(replies: Mapping[str, SmtpReply], recipients: Iterable[str]) -> tuple[Failure, ...]:
    return tuple(
        Failure(recipient=r, status=replies[r].status, answer=replies[r].line, by_gate=replies[r].by_gate)
        for r in recipients
    )
