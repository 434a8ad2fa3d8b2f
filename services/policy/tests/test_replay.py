"""policy decides again: as of each sequence, as a file would have it, and in its own process."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from varco_common.base import subjects
from varco_common.base.ids import new_id
from varco_common.events import (
    AccountOpened,
    FilelinkChosen,
    Language,
    Rules,
    RulesChanged,
    SenderAuthorised,
    SenderWithdrawn,
)
from varco_common.eventsourcing.replay.frames import (
    BatchReply,
    FrameBatch,
    PlannedChange,
    PlanQuestion,
    ReplayDone,
    SettingsItem,
    StateQuestion,
    VerifyQuestion,
    decode_batch,
    decode_question_reply,
    encode,
)
from varco_common.eventsourcing.replay.replayable import RefusedSection, ReplayCase
from varco_common.eventsourcing.replay.server import ReplayServer
from varco_common.mail.ballot import Ballot, Vote, accept
from varco_common.mail.envelope import Envelope
from varco_common.mail.replies import Reply
from varco_common.mime import Manifest, Part
from varco_common.testing.waiting import eventually
from varco_policy.replay import PolicyReplay
from varco_policy.settings import Settings

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
OF = {"account": "acme", "at": NOW, "by": "token:x", "reason": "agreed"}
MODULE = "varco_policy.replay"
YES = accept("policy", 30)
PAST = [
    AccountOpened(**OF, language=Language.EN),
    SenderAuthorised(**OF, pattern="@acme.example"),
    RulesChanged(**OF, rules=Rules(max_size=50_000, max_recipients=2, attachments=("pdf",))),
    SenderWithdrawn(**OF, pattern="@acme.example"),
    SenderAuthorised(**OF, pattern="@new.example"),
]


def learned() -> PolicyReplay:
    replay = PolicyReplay()
    for number, event in enumerate(PAST, 1):
        replay.apply_event(number * 10, event)
    return replay


def case(sender="alice@acme.example", *recipients, parts=(), size=1_000, votes=(YES,), sequence=100) -> ReplayCase:
    envelope = Envelope(
        id=new_id(),
        account="acme",
        sender=sender,
        recipients=recipients or ("bob@dest.example",),
        host="192.0.2.1",
        received_at=NOW,
        size=size,
    )
    manifest = Manifest(authors=(sender,), parts=tuple(parts))
    reply = next((vote.reply for vote in votes if not vote.reply.accepts), Reply.ACCEPTED)
    return ReplayCase(sequence, Ballot(envelope=envelope, manifest=manifest), votes, reply, None)


def attachment(name: str, size=1_000) -> Part:
    return Part(
        path="2", media_type="application/octet-stream", start=0, end=size, size=size, names=(name,), encoding="base64"
    )


def early(reply: Reply, sender: str, *recipients: str, size=0) -> ReplayCase:
    return case(sender, *recipients, size=size, votes=(Vote(voter="ingress-smtp", reply=reply),))._replace(early=True)


async def under(sections: dict, one: ReplayCase, *assumed) -> Vote | None:
    replay = learned()
    await replay.assume("acme", sections, assumed)
    return replay.judge(one, others=True)


# as it was


@pytest.mark.parametrize(
    ("sequence", "reply"),
    [
        (9, Reply.NOT_AUTHENTICATED),
        (10, Reply.SENDER_NOT_AUTHORISED),
        (20, Reply.ACCEPTED),
        (39, Reply.ACCEPTED),
        (40, Reply.SENDER_NOT_AUTHORISED),
    ],
)
def test_a_vote_is_cast_on_the_account_as_of_its_sequence(sequence, reply):
    recorded = accept("policy", sequence)
    assert learned().decide(case(votes=(recorded,)), recorded).reply is reply


def test_votes_need_not_come_in_order():
    replay = learned()
    for sequence in (50, 9, 20, 40, 39, 10):
        recorded = accept("policy", sequence)
        assert replay.decide(case(), recorded).reply.accepts == (20 <= sequence < 40)


# as a file would have it


async def test_a_file_is_laid_over_what_the_rest_was_at_the_time():
    pdf, zipped = attachment("a.pdf"), attachment("a.zip")
    assert (await under({}, case(parts=[zipped]))).reply is Reply.FORBIDDEN_ATTACHMENT
    assert (await under({"rules": {"attachments": ["zip"]}}, case(parts=[zipped]))).reply is Reply.ACCEPTED
    assert (await under({"rules": {"attachments": ["zip"]}}, case(parts=[pdf]))).reply is Reply.FORBIDDEN_ATTACHMENT
    assert (await under({"rules": {"attachments": "any"}}, case(size=60_000))).reply is Reply.TOO_BIG
    assert (await under({"senders": ["@new.example"]}, case())).reply is Reply.SENDER_NOT_AUTHORISED
    late = case(votes=(accept("policy", 50),))
    assert (await under({"senders": ["alice@acme.example"]}, late)).reply is Reply.ACCEPTED


async def test_links_that_another_service_would_make_are_weighed():
    heavy = case(parts=[attachment("a.pdf", 100_000)], size=120_000)
    assert (await under({}, heavy)).reply is Reply.TOO_BIG
    links = FilelinkChosen(account="acme", at=NOW, over=50_000, keep_seconds=86_400)
    vote = await under({}, heavy, links)
    assert (vote.reply, vote.counts_on) == (Reply.ACCEPTED, ("2",))


async def test_what_was_refused_by_its_envelope_is_judged_by_it_alone():
    sender = early(Reply.SENDER_NOT_AUTHORISED, "eve@evil.example")
    assert not (await under({}, sender)).reply.accepts
    assert (await under({"senders": ["@evil.example"]}, sender)).reply.accepts
    many = early(Reply.TOO_MANY_RECIPIENTS, "a@new.example", "r1@x.example", "r2@x.example")
    assert not (await under({}, many)).reply.accepts
    assert (await under({"rules": {"max_recipients": 3}}, many)).reply.accepts
    assert await under({"rules": {"max_size": "1GB"}}, early(Reply.TOO_BIG, "a@new.example")) is None
    assert await under({"senders": []}, early(Reply.BARE_LINE_END, "a@new.example")) is None


@pytest.mark.parametrize(
    ("sections", "where"),
    [
        ({"rules": {"max_size": "huge"}}, ("rules", "max_size")),
        ({"senders": ["@acme.example", "nobody"]}, ("senders", "1")),
        ({"rules": {"attachments": ["p df"]}}, ("rules", "attachments")),
    ],
)
async def test_a_file_that_cant_be_read_is_refused_at_its_place(sections, where):
    with pytest.raises(RefusedSection) as refused:
        await under(sections, case())
    assert refused.value.where == where


# in a process of its own


class Asker:
    """Asks policy for a replay; it answers frames while `listening` is set."""

    def __init__(self, bus, end) -> None:
        self.bus, self.end = bus, end
        self.listening = asyncio.Event()
        self.heard: list[FrameBatch] = []
        self.subject = subjects.replay_frames(new_id())

    async def hear(self, payload: bytes) -> bytes:
        self.heard.append(decode_batch(payload))
        await self.listening.wait()
        return encode(BatchReply())

    async def ask(self, question) -> str:
        answer = await self.bus.requests.ask(
            subjects.replay_request("policy"), encode(replace(question, frames=self.subject)), 10
        )
        return decode_question_reply(answer).refused

    @property
    def frames(self) -> list:
        return [frame for batch in self.heard for frame in batch.frames]

    async def received(self) -> list:
        """All frames, once the last was said."""
        await eventually(lambda: self.frames and isinstance(self.frames[-1], ReplayDone), 60)
        return self.frames


@asynccontextmanager
async def asking(nats, bus, tmp_path):
    settings = Settings(nats_url=nats.url, home=tmp_path)
    async with ReplayServer.answering(bus, "policy", MODULE, settings):
        asker = Asker(bus, lambda: None)
        asker.end = await bus.requests.answer(asker.subject, "test", asker.hear)
        yield asker
        asker.end()


def children() -> set[int]:
    """The processes that this one has started and that run a replay."""
    found = {int(pid) for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()}
    return {pid for pid in found if MODULE.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()}


def verify(last: int) -> VerifyQuestion:
    return VerifyQuestion(frames="", last=last, since=NOW - timedelta(days=1), until=NOW + timedelta(days=1))


async def said(bus) -> int:
    for event in PAST:
        last = await bus.events.append(event)
    return last


async def test_a_plan_is_told_with_its_events(nats, bus, tmp_path):
    last = await said(bus)
    async with asking(nats, bus, tmp_path) as asker:
        asker.listening.set()
        sections = {"senders": ["@new.example", "b@acme.example"]}
        assert await asker.ask(PlanQuestion(frames="", last=last, account="acme", sections=sections)) == ""
        planned = [frame for frame in await asker.received() if isinstance(frame, PlannedChange)]
    assert [frame.line for frame in planned] == ["+ sender b@acme.example"]
    assert b"sender.authorised.v1" in bytes(planned[0].event)
    assert await bus.events.last_sequence("events.>") == last  # and nothing was appended


async def test_each_setting_is_told_with_the_event_that_made_it_so(nats, bus, tmp_path):
    last = await said(bus)
    async with asking(nats, bus, tmp_path) as asker:
        asker.listening.set()
        await asker.ask(StateQuestion(frames="", last=last - 1, account="acme", at=NOW))
        before = {(one.section, one.key): one for one in await asker.received() if isinstance(one, SettingsItem)}
    rule = before["rules", "max_recipients"]
    assert (rule.value, rule.sequence, rule.by, rule.reason, rule.fact) == (2, 3, "token:x", "agreed", "rules-changed")
    assert before["account", "language"].sequence == 1
    assert not [key for key in before if key[0] == "senders"]  # withdrawn, and the next one comes after that


async def test_another_question_is_told_that_one_goes_on(nats, bus, tmp_path):
    last = await said(bus)
    async with asking(nats, bus, tmp_path) as asker:
        assert await asker.ask(verify(last)) == ""
        await eventually(lambda: asker.heard, 60)
        assert "another replay" in await asker.ask(verify(last))
        asker.listening.set()
        await asker.received()

        async def begins() -> bool:
            return not await asker.ask(verify(last))

        await eventually(begins, 60)
        await eventually(lambda: not children(), 60)


async def test_it_ends_when_nobody_listens(nats, bus, tmp_path):
    last = await said(bus)
    async with asking(nats, bus, tmp_path) as asker:
        asker.end()
        assert await asker.ask(verify(last)) == ""
        await eventually(children, 60)
        await eventually(lambda: not children(), 60)


async def test_it_ends_with_its_service(nats, bus, tmp_path):
    last = await said(bus)
    async with asking(nats, bus, tmp_path) as asker:
        await asker.ask(verify(last))
        await eventually(lambda: asker.heard, 60)
        (pid,) = children()
    assert not Path(f"/proc/{pid}").exists()
