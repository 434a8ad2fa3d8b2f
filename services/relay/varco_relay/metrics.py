"""The counters of relay."""

from prometheus_client import Counter

from varco_common.events import MailBounced, MailDeferred, MailDelivered, MailExpired

_recipients = Counter("varco_relay_recipients_total", "Recipients by what became of them in an attempt", ["outcome"])
_BY_EVENT = {
    MailDelivered: _recipients.labels("delivered"),
    MailDeferred: _recipients.labels("deferred"),
    MailBounced: _recipients.labels("bounced"),
    MailExpired: _recipients.labels("expired"),
}

mails = Counter("varco_relay_mails_total", "Mails that were tried for the first time")
octets = Counter("varco_relay_body_bytes_total", "Bytes of the bodies of those mails")
notified = Counter("varco_relay_notifications_total", "Delivery status notifications written")


def count_outcome(event: MailDelivered | MailDeferred | MailBounced | MailExpired, recipients: int) -> None:
    _BY_EVENT[type(event)].inc(recipients)
