"""Relay's events: what makes them different from others."""

from datetime import UTC, datetime

from varco_common.events import MailDelivered

AT = datetime(2026, 11, 24, 9, tzinfo=UTC)


def delivered(attempt: int) -> MailDelivered:
    return MailDelivered(
        at=AT,
        account="acme",
        mail="m",
        sequence=1,
        recipients=("b@x.example",),
        host="h:25",
        answer="",
        attempt=attempt,
    )


def test_a_delivery_from_the_queue_has_a_subject_of_its_own():
    assert delivered(1).subject == "events.relay.mail-delivered.acme"
    assert delivered(2).subject == "events.relay.mail-delivered-later.acme"
