"""The log line of each attempt: what the next hop said about which recipients."""

from varco_common.base import log
from varco_common.events import MailDeferred, MailDelivered
from varco_relay.outgoing_message import OutcomeEvent

_RECIPIENTS = 20  # a line stays readable; the event has all of them


def log_outcome(event: OutcomeEvent) -> None:
    """Writes one line for the recipients that share an outcome."""
    fields = {"mail": event.mail, "account": event.account, "next_hop": event.host}
    if isinstance(event, MailDelivered):
        recipients = list(event.recipients[:_RECIPIENTS])
        details = {"count": len(event.recipients), "recipients": recipients, "answer": event.answer, "tls": event.tls}
    else:
        failures = [[failure.recipient, failure.answer] for failure in event.failures[:_RECIPIENTS]]
        details = {"count": len(event.failures), "failures": failures}
    if isinstance(event, MailDeferred):
        details["next_at"] = event.next_at
    log.line(type(event).__name__.removeprefix("Mail").lower(), fields | details)
