"""What the replies of one attempt mean for each recipient."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from varco_relay.decide.outcome import DeliveryStatus, delivery_status, outcome_of
from varco_relay.smtp.smtp_reply import SmtpReply


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        *((code, DeliveryStatus.DELIVERED) for code in (250, 251)),
        *((code, DeliveryStatus.DEFERRED) for code in (0, 354, 421, 452)),
        *((code, DeliveryStatus.BOUNCED) for code in (500, 554)),
    ],
)
def test_only_5xx_is_for_good(code, expected):
    assert delivery_status(SmtpReply(code, "")) is expected


def test_those_over_the_next_hops_limit_are_tried_again_at_once():
    outcome = outcome_of(
        {"a": SmtpReply(250, "ok"), "b": SmtpReply(452, "4.5.3 too many"), "c": SmtpReply(552, "too many recipients")}
    )
    assert (outcome.delivered, outcome.untried, outcome.deferred, outcome.bounced) == (("a",), ("b", "c"), (), ())


def test_without_a_delivery_too_many_is_an_answer_like_others():
    outcome = outcome_of({"b": SmtpReply(452, "4.5.3 too many"), "c": SmtpReply(552, "5.5.3 too many")})
    assert [f.recipient for f in outcome.deferred] == ["b"]
    assert [f.recipient for f in outcome.bounced] == ["c"]


@given(st.dictionaries(st.text(min_size=1), st.builds(SmtpReply, st.integers(0, 600), st.text()), min_size=1))
def test_every_recipient_has_exactly_one_status(replies):
    outcome = outcome_of(replies)
    recipients = [*outcome.delivered, *outcome.untried, *(f.recipient for f in (*outcome.deferred, *outcome.bounced))]
    assert sorted(recipients) == sorted(replies)
    assert not outcome.untried or outcome.delivered  # so that trying again comes to an end
