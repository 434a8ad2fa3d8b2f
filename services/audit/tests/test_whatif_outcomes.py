"""What changed votes come to, with the votes that stand."""

from datetime import UTC, datetime, timedelta

import pytest

from varco_audit.replay.verdict_replay import VerdictReplay
from varco_audit.replay.whatif_outcomes import WhatIfOutcome, WhatIfTally, WhatIfVotes
from varco_common.eventsourcing.replay.frames import ChangedVote, ReplayedMail
from varco_common.eventsourcing.replay.replayable import ReplayCase
from varco_common.mail.ballot import Ballot, Vote, accept
from varco_common.mail.envelope import Envelope
from varco_common.mail.replies import Reply
from varco_common.mime import Manifest

NOW = datetime(2026, 11, 24, tzinfo=UTC)
VOTERS = ("policy", "ratelimit", "filelink")


def mail(number=1, sender="alice@acme.example") -> ReplayedMail:
    at = NOW + timedelta(seconds=number)
    return ReplayedMail(id=f"m{number}", sequence=number, at=at, account="acme", sender=sender, recipients=1)


def no(voter: str, reply: Reply = Reply.TOO_BIG) -> Vote:
    return Vote(voter=voter, reply=reply, reason="because")


def changed(again: Vote, *votes: Vote, number=1, early=False) -> ChangedVote:
    return ChangedVote(mail=mail(number), voter=again.voter, again=again, votes=votes, early=early)


def found(*changes: ChangedVote) -> list:
    outcomes = WhatIfVotes()
    for one in changes:
        outcomes.add(one)
    return [*outcomes.changes()]


def test_one_vote_that_would_be_no_refuses():
    (one,) = found(changed(no("policy"), accept("policy"), accept("ratelimit")))
    assert (one.outcome, one.voter, one.rule, one.reason) == (WhatIfOutcome.REFUSED, "policy", "too-big", "because")


def test_a_changed_mail_has_both_verdicts():
    refused = found(changed(no("policy"), accept("policy"), accept("ratelimit")))
    passed = found(changed(accept("policy"), no("policy"), accept("ratelimit")))
    linked = found(changed(accept("filelink", convert=("2",)), accept("policy"), accept("filelink")))
    early = found(changed(accept("policy"), no("ingress-smtp", Reply.SENDER_NOT_AUTHORISED), early=True))
    verdicts = [(line.before, line.after) for line in (*refused, *passed, *linked, *early)]
    expected = [
        ("accepted", "too-big"),
        ("too-big", "accepted"),
        ("accepted", "accepted"),
        ("sender-not-authorised", ""),
    ]
    assert verdicts == expected


def test_the_newest_changed_mails_are_kept_as_examples():
    tally = WhatIfTally(examples=2)
    for line in found(*(changed(no("policy"), accept("policy"), number=number) for number in (2, 9, 4, 7))):
        tally.add(line)
    assert [line.mail.id for line in tally.newest()] == ["m9", "m7"]
    tally = WhatIfTally()
    tally.add(line)
    assert [*tally.newest()] == [], "none unless they are asked for"


def test_a_yes_lets_through_where_nobody_else_objected():
    (one,) = found(changed(accept("policy"), no("policy"), accept("ratelimit")))
    assert (one.outcome, one.voter, one.rule) == (WhatIfOutcome.PASSED, "policy", "too-big")
    assert found(changed(accept("policy"), no("policy"), no("ratelimit", Reply.QUOTA_EXCEEDED))) == []


def test_two_votes_that_change_are_one_mail():
    votes = (no("policy"), no("ratelimit", Reply.QUOTA_EXCEEDED))
    (one,) = found(changed(accept("policy"), *votes), changed(accept("ratelimit"), *votes))
    assert one.outcome is WhatIfOutcome.PASSED


def test_a_silence_still_lets_nothing_through():
    silent = Vote(voter="ratelimit", reply=Reply.SERVICE_MISSING)
    assert found(changed(accept("policy"), no("policy"), silent)) == []


def test_other_links_are_told():
    (one,) = found(changed(accept("filelink", convert=("2",)), accept("policy"), accept("filelink")))
    assert one.outcome is WhatIfOutcome.CONVERTED


def test_a_yes_that_counts_on_links_which_nobody_makes_is_none():
    policy = Vote(voter="policy", reply=Reply.ACCEPTED, counts_on=("2",))
    (one,) = found(changed(policy, accept("policy"), accept("filelink")))
    assert (one.outcome, one.voter, one.rule) == (WhatIfOutcome.REFUSED, "policy", "service-missing")


def test_what_was_refused_by_its_envelope_is_a_case_of_its_own():
    first = Vote(voter="ingress-smtp", reply=Reply.SENDER_NOT_AUTHORISED)
    (one,) = found(changed(accept("policy"), first, early=True))
    assert (one.outcome, one.rule) == (WhatIfOutcome.PAST_ENVELOPE, "sender-not-authorised")


def test_quotas_hear_whether_all_others_would_let_a_mail_pass():
    outcomes = WhatIfVotes()
    outcomes.add(changed(no("policy"), accept("policy"), accept("ratelimit"), number=1))
    outcomes.add(changed(accept("policy"), no("policy"), no("ratelimit", Reply.QUOTA_EXCEEDED), number=2))
    outcomes.add(changed(accept("policy"), no("ingress-smtp"), number=3, early=True))
    assert outcomes.passing(without="ratelimit") == {"m1": False, "m2": True}


def test_mails_are_counted_by_sender_and_by_rule():
    tally = WhatIfTally()
    for one in found(*(changed(no("policy"), accept("policy"), number=number) for number in range(3))):
        tally.add(one)
    assert tally.outcomes == {"would be refused": 3}
    assert tally.senders == {"alice@acme.example": {"would be refused": 3}}
    assert tally.rules == {"policy: too-big": {"would be refused": 3}}


# the verdict again


def decided(reply: Reply, *votes: Vote, convert=()) -> ReplayCase:
    envelope = Envelope(id="m", account="acme", sender="", recipients=(), host="", received_at=NOW)
    return ReplayCase(1, Ballot(envelope=envelope, manifest=Manifest()), votes, reply, None, convert)


@pytest.mark.parametrize(
    ("case", "same"),
    [
        (decided(Reply.ACCEPTED, accept("policy"), accept("ratelimit")), True),
        (decided(Reply.ACCEPTED, accept("policy"), no("ratelimit")), False),
        (decided(Reply.TOO_BIG, no("policy"), no("ratelimit", Reply.QUOTA_EXCEEDED)), True),
        (decided(Reply.QUOTA_EXCEEDED, no("policy"), no("ratelimit", Reply.QUOTA_EXCEEDED)), False),
        (decided(Reply.TOO_BIG, no("ratelimit"), no("policy", Reply.HOST_BANNED)), False),
        (decided(Reply.ACCEPTED, accept("filelink", convert=("2",)), convert=("2",)), True),
        (decided(Reply.ACCEPTED, accept("filelink", convert=("2",))), False),
        (decided(Reply.ACCEPTED), False),
    ],
)
def test_a_verdict_is_what_its_votes_come_to(case, same):
    verdicts = VerdictReplay(VOTERS)
    recorded = verdicts.recorded(case)
    again = verdicts.decide(case, recorded)
    assert ((again.reply, again.convert) == (recorded.reply, recorded.convert)) is same


def test_a_recorded_order_of_voters_outranks_todays():
    case = decided(Reply.HOST_BANNED, no("policy"), no("banguard", Reply.HOST_BANNED))._replace(
        required=("banguard", "policy")
    )
    again = VerdictReplay(("policy", "banguard")).decide(case, VerdictReplay(VOTERS).recorded(case))
    assert again.reply is Reply.HOST_BANNED


@pytest.mark.parametrize(
    ("votes", "same"),
    [
        ((accept("policy"),), True),
        ((accept("policy"), accept("ratelimit"), accept("filelink")), False),
        ((accept("policy"), no("ratelimit", Reply.HOST_BANNED)), False),
    ],
)
def test_a_refusal_for_a_missing_vote_is_checked_where_the_required_voters_are_recorded(votes, same):
    case = decided(Reply.SERVICE_MISSING, *votes)._replace(required=VOTERS)
    verdicts = VerdictReplay(("policy",))
    recorded = verdicts.recorded(case)
    assert (verdicts.decide(case, recorded).reply is recorded.reply) is same


def test_in_an_old_event_a_refusal_for_a_missing_vote_can_not_be_checked():
    assert VerdictReplay(VOTERS).recorded(decided(Reply.SERVICE_MISSING, accept("policy"))) is None
