"""The verdict: a yes is only ever what every required voter said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from varco_common.mail.ballot import Vote, accept
from varco_common.mail.replies import Reply
from varco_common.mail.verdict import verdict

VOTERS = ("policy", "ratelimit", "banguard", "filelink")
REFUSALS = [reply for reply in Reply if not reply.accepts]

votes = st.lists(st.builds(Vote, voter=st.sampled_from([*VOTERS, "stranger"]), reply=st.sampled_from(Reply)))
required = st.lists(st.sampled_from(VOTERS), min_size=1, unique=True)


def refuse(voter, reply):
    return Vote(voter=voter, reply=reply, text=f"{voter} says no")


@given(votes, required)
def test_a_yes_means_that_every_required_voter_said_yes_exactly_once(cast, voters):
    if verdict(cast, voters).accepted:
        for voter in voters:
            assert [vote.reply for vote in cast if vote.voter == voter] == [Reply.ACCEPTED]


@given(votes, required)
def test_when_all_said_yes_it_is_a_yes(cast, voters):
    others = [vote for vote in cast if vote.voter not in voters]
    assert verdict([*others, *map(accept, voters)], voters).accepted


@given(votes, required)
def test_any_permanent_refusal_makes_it_permanent(cast, voters):
    if any(vote.reply.permanent and vote.voter in voters for vote in cast):
        assert verdict(cast, voters).reply.permanent


@given(votes, required)
def test_the_order_in_which_votes_arrive_decides_nothing(cast, voters):
    unique = list({vote.voter: vote for vote in cast}.values())
    assert verdict(unique, voters).reply == verdict(unique[::-1], voters).reply


@given(votes, required, st.data())
def test_a_missing_or_doubled_vote_is_never_a_yes(cast, voters, data):
    voter = data.draw(st.sampled_from(voters))
    all_yes = list(map(accept, voters))
    assert not verdict([vote for vote in all_yes if vote.voter != voter], voters).accepted
    assert verdict([*all_yes, accept(voter)], voters).reply is Reply.SERVICE_MISSING


@given(votes)
def test_no_votes_from_no_voters_is_a_broken_start_not_a_yes(cast):
    with pytest.raises(ValueError, match="no voters"):
        verdict(cast, [])


def test_no_votes_are_not_a_yes():
    assert verdict([], ["policy"]).reply is Reply.SERVICE_MISSING


@pytest.mark.parametrize("permanent", [reply for reply in REFUSALS if reply.permanent])
@pytest.mark.parametrize("temporary", [reply for reply in REFUSALS if not reply.permanent])
def test_a_permanent_refusal_outranks_a_temporary_one(permanent, temporary):
    cast = [refuse("policy", temporary), refuse("ratelimit", permanent)]
    assert verdict(cast, ["policy", "ratelimit"]).reply is permanent


def test_among_equals_the_order_of_the_voters_decides():
    cast = [refuse("ratelimit", Reply.QUOTA_EXCEEDED_FINALLY), refuse("policy", Reply.TOO_BIG)]
    assert verdict(cast, ["policy", "ratelimit"]).text == "policy says no"
    assert verdict(cast, ["ratelimit", "policy"]).text == "ratelimit says no"


def test_a_refusal_is_final_even_while_another_voter_is_silent():
    assert verdict([refuse("policy", Reply.TOO_BIG)], ["policy", "ratelimit"]).reply is Reply.TOO_BIG
    assert verdict([refuse("policy", Reply.QUOTA_EXCEEDED)], ["policy", "ratelimit"]).reply is Reply.SERVICE_MISSING


def test_only_required_voters_have_parts_converted():
    cast = [accept("policy"), accept("filelink", convert=("2", "3"))]
    assert verdict(cast, ["policy", "filelink"]).convert == ("2", "3")
    assert verdict(cast, ["policy"]).convert == ()


def test_a_yes_that_counts_on_links_needs_a_voter_who_has_them_made():
    policy = Vote(voter="policy", reply=Reply.ACCEPTED, counts_on=("2", "3"))
    for convert, reply in (
        (("2", "3", "4"), Reply.ACCEPTED),
        (("2",), Reply.SERVICE_MISSING),
        ((), Reply.SERVICE_MISSING),
    ):
        filelink = accept("filelink", convert=convert)
        assert verdict([policy, filelink], ["policy", "filelink"]).reply is reply
    stranger = accept("stranger", convert=("2", "3"))
    assert not verdict([policy, stranger], ["policy"]).accepted
