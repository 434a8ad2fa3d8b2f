"""Which events record what became of a mail."""

from datetime import UTC, datetime, timedelta

from varco_common.events import Failure, MailBounced, MailDeferred, MailExpired
from varco_common.mail.envelope import Envelope
from varco_relay.decide.retry_schedule import RetrySchedule
from varco_relay.outgoing_message import OutgoingMessage, undelivered_events

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)


def failure(recipient: str) -> Failure:
    return Failure(recipient=recipient, status="4.2.2", answer="452 4.2.2 full")


def envelope(sender="alice@acme.example", recipients=("bob@x.example", "eve@x.example"), age=timedelta()) -> Envelope:
    return Envelope(
        id="m1", account="acme", sender=sender, recipients=recipients, host="192.0.2.1", received_at=NOW - age
    )


def message(sender="alice@acme.example", age=timedelta()) -> OutgoingMessage:
    return OutgoingMessage(
        envelope=envelope(sender, age=age), sequence=7, recipients=("bob@x.example",), body=b"", size=0, attempt=3
    )


def outcomes(message_: OutgoingMessage, bounced=(), deferred=()):
    return undelivered_events(
        message_,
        bounced=bounced,
        deferred=deferred,
        host="h:25",
        now=NOW,
        random=0.5,
        schedule=RetrySchedule(),
        new_id=lambda: "d1",
    )


def test_what_is_deferred_for_too_long_expires():
    kinds = [type(event) for event in outcomes(message(age=timedelta(days=5)), (failure("a"),), (failure("b"),))]
    assert kinds == [MailBounced, MailExpired]
    assert [type(event) for event in outcomes(message(age=timedelta(days=4)), (), (failure("b"),))] == [MailDeferred]


def test_a_null_sender_is_never_notified():
    (event,) = outcomes(message(sender=""), (failure("a"),))
    assert isinstance(event, MailBounced)
    assert event.dsn == ""
