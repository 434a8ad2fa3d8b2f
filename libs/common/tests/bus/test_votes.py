"""Ballots and questions: only what was said in time, by whom it was asked, counts."""

import asyncio
import logging
import time

import pytest

from varco_common.base.errors import TransientError
from varco_common.bus import Bus
from varco_common.bus.streams import manager
from varco_common.mail.ballot import Ballot, Vote, accept, encode
from varco_common.mail.replies import Reply
from varco_common.testing import NatsServer
from varco_common.testing.samples import ballot
from varco_common.testing.waiting import eventually


async def test_all_voters_votes_come_back_before_the_deadline(bus: Bus):
    for voter in ("policy", "ratelimit", "banguard"):
        await bus.voting.serve(voter, lambda ballot, voter=voter: accept(voter))
    began = time.monotonic()
    votes = await bus.voting.collect(ballot(), ["policy", "ratelimit", "banguard"], 60)
    assert {vote.voter for vote in votes} == {"policy", "ratelimit", "banguard"}
    assert time.monotonic() - began < 30


async def test_a_silent_voter_is_left_out_at_the_deadline(bus: Bus):
    await bus.voting.serve("policy", lambda _: accept("policy"))
    began = time.monotonic()
    assert [vote.voter for vote in await bus.voting.collect(ballot(), ["policy", "ratelimit"], 3)] == ["policy"]
    assert 2.9 < time.monotonic() - began < 30


async def test_where_no_voter_is_at_all_nobody_waits(bus: Bus):
    began = time.monotonic()
    assert await bus.voting.collect(ballot(), ["policy"], 60) == []
    assert time.monotonic() - began < 30


async def test_a_voter_that_raises_casts_no_vote_and_votes_on_afterwards(bus: Bus, caplog: pytest.LogCaptureFixture):
    ballots: list[Ballot] = []

    def decide(each: Ballot) -> Vote:
        ballots.append(each)
        if len(ballots) == 1:
            raise KeyError("no such account")
        return accept("policy")

    await bus.voting.serve("policy", decide)
    with caplog.at_level(logging.ERROR):
        assert await bus.voting.collect(ballot(), ["policy"], 0.3) == []
        await eventually(lambda: "no vote cast" in caplog.text)
    assert await bus.voting.collect(ballot(), ["policy"], 30) == [accept("policy")]


async def test_unreadable_unknown_and_doubled_votes_are_left_out(bus: Bus, nats: NatsServer):
    async with manager(nats.settings()) as raw:

        async def shout(message) -> None:
            for payload in (b"yes!", encode(accept("stranger")), encode(accept("policy")), encode(accept("policy"))):
                await message.respond(payload)
            await message.respond(encode(Vote(voter="policy", reply=Reply.QUOTA_EXCEEDED)))
            await message.respond(encode(accept("ratelimit")))  # the last one: then nothing is waited for

        await raw.subscribe("ballot.*", cb=shout)
        await raw.flush()
        votes = await bus.voting.collect(ballot(), ["policy", "ratelimit"], 60.0)
        assert votes == [accept("policy"), accept("ratelimit")]


async def test_one_of_each_voter_s_processes_gets_a_ballot(bus: Bus, nats: NatsServer):
    counted: list[int] = []
    async with Bus.connect(nats.settings(), "policy") as one, Bus.connect(nats.settings(), "policy") as two:
        for number, each in enumerate((one, two)):
            await each.voting.serve("policy", lambda _, number=number: counted.append(number) or accept("policy"))
        for _ in range(50):
            assert len(await bus.voting.collect(ballot(), ["policy"], 10)) == 1
    assert len(counted) == 50
    assert set(counted) == {0, 1}


async def test_a_question_is_answered(bus: Bus):
    async def loud(question: bytes) -> bytes:
        await asyncio.sleep(0)
        return question.upper()

    await bus.requests.answer("ask.policy.login", "policy", loud)
    assert await bus.requests.ask("ask.policy.login", b"who?") == b"WHO?"


async def test_a_question_that_nobody_answers_fails_at_once(bus: Bus):
    began = time.monotonic()
    with pytest.raises(TransientError, match="nobody answers"):
        await bus.requests.ask("ask.policy.login", b"", timeout=10)
    assert time.monotonic() - began < 5


async def test_a_question_that_is_answered_too_late_or_with_an_error_fails_in_time(bus: Bus):
    async def broken(_: bytes) -> bytes:
        raise ValueError("no")

    await bus.requests.answer("ask.policy.login", "policy", broken)
    with pytest.raises(TransientError):
        await bus.requests.ask("ask.policy.login", b"", timeout=0.2)
