"""What Prometheus reads of relay."""

from prometheus_client import Counter, Gauge

from varco_common.events import MailBounced, MailDeferred, MailDelivered, MailExpired

_recipients = Counter("varco_relay_recipients_total", "Recipients by what became of them in an attempt", ["outcome"])
_DELIVERED = _recipients.labels("delivered")
_DEFERRED = _recipients.labels("deferred")
_BOUNCED = _recipients.labels("bounced")
_EXPIRED = _recipients.labels("expired")

mails = Counter("varco_relay_mails_total", "Mails that were tried for the first time")
octets = Counter("varco_relay_body_bytes_total", "Bytes of the bodies of those mails")
notified = Counter("varco_relay_notifications_total", "Delivery status notifications written")
queued = Gauge("varco_relay_queue_mails", "Mails waiting for another attempt", ["account"])
held = Gauge("varco_relay_queue_held_mails", "Mails held by hand", ["account"])
waiting = Gauge("varco_relay_waiting_mails", "Accepted mails that were not tried yet", ["account"])
oldest = Gauge("varco_relay_oldest_seconds", "Age of the oldest mail without a final outcome", ["account"])
route_down = Gauge("varco_relay_route_down", "1 while the account's next hop can't be reached", ["account"])
no_route = Gauge("varco_relay_no_route", "1 while the account has no route, and its mail waits", ["account"])
connections = Gauge("varco_relay_connections", "Open connections to a next hop", ["next_hop"])


def outcome(event: MailDelivered | MailDeferred | MailBounced | MailExpired, recipients: int) -> None:
    """Counts the recipients of one outcome."""
    match event:
        case MailDelivered():
            _DELIVERED.inc(recipients)
        case MailDeferred():
            _DEFERRED.inc(recipients)
        case MailBounced():
            _BOUNCED.inc(recipients)
        case MailExpired():
            _EXPIRED.inc(recipients)
