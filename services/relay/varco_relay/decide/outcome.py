"""What to do with what a next hop said: delivered, deferred or bounced; and when to try again."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from varco_common.events import Failure
from varco_relay.smtp.smtp_reply import SmtpReply


class DeliveryStatus(StrEnum):
    """What became of one recipient in one attempt."""

    DELIVERED = "delivered"
    DEFERRED = "deferred"
    BOUNCED = "bounced"


class RetrySchedule(msgspec.Struct, frozen=True, kw_only=True):
    """How long and how often is tried: delays double from `first` to `longest`, until `give_up` after acceptance.

    `jitter` is the share by which a delay varies to either side, so that what failed together isn't tried together.
    """

    first: timedelta = timedelta(minutes=2)
    longest: timedelta = timedelta(hours=2)
    give_up: timedelta = timedelta(days=5)  # RFC 5321 4.5.4.1: at least four to five days
    jitter: float = 0.2


class AttemptOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt's results, by fate. `again` got no chance, as the next hop took only so many in one transaction."""

    delivered: tuple[str, ...] = ()
    answer: str = ""
    deferred: tuple[Failure, ...] = ()
    bounced: tuple[Failure, ...] = ()
    again: tuple[str, ...] = ()


def delivery_status(said: SmtpReply) -> DeliveryStatus:
    """2xx is delivered, 5xx bounced; whatever else there is, a lost connection too, may go better the next time."""
    if 200 <= said.code < 300:
        return DeliveryStatus.DELIVERED
    return DeliveryStatus.BOUNCED if 500 <= said.code < 600 else DeliveryStatus.DEFERRED


def outcome_of(said: Mapping[str, SmtpReply]) -> AttemptOutcome:
    """Sorts the answers for each recipient of one attempt."""
    fates = {recipient: delivery_status(answer) for recipient, answer in said.items()}
    delivered = tuple(recipient for recipient, what in fates.items() if what is DeliveryStatus.DELIVERED)
    over = {r for r, answer in said.items() if delivered and _too_many(answer)}
    return AttemptOutcome(
        delivered=delivered,
        answer=said[delivered[0]].line if delivered else "",
        deferred=_failures(said, (r for r, what in fates.items() if what is DeliveryStatus.DEFERRED and r not in over)),
        bounced=_failures(said, (r for r, what in fates.items() if what is DeliveryStatus.BOUNCED and r not in over)),
        again=tuple(recipient for recipient in said if recipient in over),
    )


def next_attempt(now: datetime, attempt: int, random: float, patience: RetrySchedule) -> datetime:
    """When to try again after `attempt` (1 the first) failed; `random` is uniform in [0, 1)."""
    doubled = patience.first * 2.0 ** min(attempt - 1, 32)
    return now + min(doubled, patience.longest) * (1 + patience.jitter * (2 * random - 1))


def expired(now: datetime, accepted_at: datetime, patience: RetrySchedule) -> bool:
    """Whether the mail was tried for as long as mails are."""
    return now - accepted_at >= patience.give_up


def _too_many(answer: SmtpReply) -> bool:
    """RFC 5321 4.5.3.1.10: 452, and from old servers 552, once a transaction has enough recipients."""
    return answer.code in (452, 552) and answer.status[1:] in (".5.3", ".0.0")


def _failures(said: Mapping[str, SmtpReply], recipients: Iterable[str]) -> tuple[Failure, ...]:
    return tuple(Failure(recipient=r, status=said[r].status, answer=said[r].line) for r in recipients)
