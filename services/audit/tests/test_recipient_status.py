"""The state of a recipient is what the last event says of it, up to a final one."""

from datetime import UTC, datetime, timedelta

import pytest

from varco_audit.trace.model import RecipientState
from varco_audit.trace.recipient_status import recipient_statuses
from varco_common.events import Failure, MailBounced, MailDeferred, MailDelivered, MailDropped, MailExpired

AT = datetime(2026, 11, 2, 9, tzinfo=UTC)
MAIL = {"at": AT, "account": "acme", "mail": "m", "sequence": 1}
BOB, ANN = "bob@x.example", "ann@y.example"


def failures(*recipients: str) -> tuple[Failure, ...]:
    return tuple(Failure(recipient=recipient, status="4.0.0", answer=f"450 {recipient}") for recipient in recipients)


def deferred(*recipients: str, attempt: int = 1) -> MailDeferred:
    times = {"accepted_at": AT, "next_at": AT + timedelta(minutes=5)}
    return MailDeferred(**MAIL, failures=failures(*recipients), host="mx", sender="a", size=1, attempt=attempt, **times)


def delivered(*recipients: str, attempt: int = 1) -> MailDelivered:
    return MailDelivered(**MAIL, recipients=recipients, host="mx", answer="250 ok", attempt=attempt)


def states(*events, recipients=(BOB, ANN), accepted=True) -> dict[str, str]:
    statuses = recipient_statuses(recipients, events, accepted=accepted, answer="554 no")
    return {status.recipient: status.state.value for status in statuses}


def test_without_an_event_an_accepted_mail_waits_and_a_refused_one_is_refused():
    assert states() == {BOB: "waiting", ANN: "waiting"}
    assert states(accepted=False) == {BOB: "refused", ANN: "refused"}


def test_each_recipient_has_its_own_state():
    assert states(delivered(BOB), deferred(ANN)) == {BOB: "delivered", ANN: "deferred"}


def test_a_later_attempt_replaces_an_earlier_one():
    statuses = recipient_statuses([BOB], [deferred(BOB), deferred(BOB, attempt=2)], accepted=True, answer="")
    assert [(status.state, status.attempts, status.answer) for status in statuses] == [
        (RecipientState.DEFERRED, 2, f"450 {BOB}")
    ]


@pytest.mark.parametrize(
    "final",
    [
        delivered(BOB),
        MailBounced(**MAIL, failures=failures(BOB), host="mx"),
        MailExpired(**MAIL, failures=failures(BOB), host="mx"),
        MailDropped(**MAIL, recipients=(BOB,)),
    ],
    ids=lambda event: type(event).__name__,
)
def test_after_a_final_state_nothing_changes(final):
    assert states(final, deferred(BOB), recipients=[BOB]) == states(final, recipients=[BOB])


def test_a_recipient_that_is_not_in_the_envelope_is_shown_behind_the_others():
    assert list(states(delivered("new@x.example"))) == [BOB, ANN, "new@x.example"]
