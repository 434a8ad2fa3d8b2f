"""The counters of relay."""

from contextlib import suppress
from functools import cache

from prometheus_client import Counter

from varco_common.events import MailBounced, MailDeferred, MailDelivered, MailExpired
from varco_relay.busiest import Busiest
from varco_relay.decide.outcome import AttemptOutcome

_recipients = Counter("varco_relay_recipients_total", "Recipients by what became of them in an attempt", ["outcome"])
_by_hop = Counter(
    "varco_relay_next_hop_recipients_total", "Recipients by next hop and what it made of them", ["next_hop", "outcome"]
)
_by_mx_host = Counter(
    "varco_relay_mx_host_recipients_total",
    "Recipients by mail server of direct delivery (the busiest, all others as `other`) and what it made of them",
    ["host", "outcome"],
)
_busiest = Busiest(50)
_OUTCOMES = ("delivered", "deferred", "bounced")
_BY_EVENT = {
    MailDelivered: _recipients.labels("delivered"),
    MailDeferred: _recipients.labels("deferred"),
    MailBounced: _recipients.labels("bounced"),
    MailExpired: _recipients.labels("expired"),
}

mails = Counter("varco_relay_mails_total", "Mails that were tried for the first time")
octets = Counter("varco_relay_body_bytes_total", "Bytes of the bodies of those mails")
notified = Counter("varco_relay_notifications_total", "Delivery status notifications written")


@cache
def _at_hop(next_hop: str, outcome: str) -> Counter:
    return _by_hop.labels(next_hop, outcome)


def count_at_hop(next_hop: str, outcome: AttemptOutcome) -> None:
    """Counts what one next hop made of the recipients of a transaction."""
    for name in _OUTCOMES:
        if recipients := getattr(outcome, name):
            _at_hop(next_hop, name).inc(len(recipients))


def count_at_mx_host(host: str, outcome: AttemptOutcome) -> None:
    """The same for a mail server of direct delivery. What is counted as `other` stays there."""
    numbers = {name: len(getattr(outcome, name)) for name in _OUTCOMES}
    label, replaced = _busiest.count(host, sum(numbers.values()))
    for name in _OUTCOMES:
        if replaced:
            with suppress(KeyError):
                _by_mx_host.remove(replaced, name)
        if numbers[name]:
            _by_mx_host.labels(label, name).inc(numbers[name])


def count_outcome(event: MailDelivered | MailDeferred | MailBounced | MailExpired, recipients: int) -> None:
    _BY_EVENT[type(event)].inc(recipients)
