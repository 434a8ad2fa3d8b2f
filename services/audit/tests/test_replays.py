"""audit asks services to decide again, and shows what they answer or why they fail."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from varco_audit.replay import replay_client
from varco_audit.replay.output_lines import (
    ChangeLine,
    CombinedProgress,
    DifferenceLine,
    FailedLine,
    MailLine,
    UnreadableLine,
    VerifyDone,
    WhatIfDone,
)
from varco_audit.replay.past_settings import SERVICES, PointInTime, point_in_time, settings_at
from varco_audit.replay.replay_client import replay_frames
from varco_audit.replay.verify import verify
from varco_audit.replay.whatif import WhatIfRun
from varco_common.base import subjects
from varco_common.base.errors import ConflictError, NotFound, RefusedCommand, TransientError
from varco_common.base.tasks import run_in_background
from varco_common.events import MailRecorded
from varco_common.eventsourcing.replay.frames import (
    ChangedVote,
    FrameBatch,
    PlannedChange,
    PlanQuestion,
    QuestionReply,
    ReplayDone,
    ReplayedMail,
    ReplayFailed,
    ReplayProgress,
    SettingsItem,
    StateQuestion,
    UnreadableMail,
    VerifyQuestion,
    VoteDifference,
    VoteOutcomes,
    WhatIfQuestion,
    decode_batch_reply,
    decode_question,
    encode,
)
from varco_common.mail.ballot import Vote, accept
from varco_common.mail.replies import Reply
from varco_common.mail.route_question import ROUTES, RouteAnswer, RouteQuestion
from varco_common.mail.route_question import decode_question as decode_routes
from varco_common.mail.route_question import encode as encode_routes
from varco_common.testing import samples
from varco_common.testing.waiting import eventually

NOW = datetime.now(UTC)
SINCE = NOW - timedelta(days=1)
MAIL = ReplayedMail(id="m1", sequence=1, at=NOW, account="acme", sender="alice@acme.example", recipients=1)
NO = Vote(voter="policy", reply=Reply.TOO_BIG, reason="because")
PROGRESS = ReplayProgress(sequence=5, first=1, last=10, mails=3)


class FakeService:
    """Answers a question with the frames of `answer(question)`; notes questions and replies."""

    def __init__(self, bus, name: str, answer) -> None:
        self._bus, self._name, self._answer = bus, name, answer
        self.questions, self.replies = [], []
        self.refused = ""
        self.left_alone = asyncio.Event()

    async def run(self) -> None:
        """Answers one question after the other, as a process of its own would."""
        waiting: asyncio.Queue = asyncio.Queue()

        async def take(payload: bytes) -> bytes:
            question = decode_question(payload)
            self.questions.append(question)
            if not self.refused:
                waiting.put_nowait(question)
            return encode(QuestionReply(refused=self.refused))

        await self._bus.requests.answer(subjects.replay_request(self._name), self._name, take)
        while True:
            question = await waiting.get()
            for frame in self._answer(question):
                batch = encode(FrameBatch(self._name, [frame]))
                try:
                    reply = decode_batch_reply(await self._bus.requests.ask(question.frames, batch, 10))
                except TransientError:
                    self.left_alone.set()  # nobody receives the frames any more
                    break
                self.replies.append(reply)


@asynccontextmanager
async def services(bus, **answers) -> AsyncIterator[dict[str, FakeService]]:
    """Services by name. Each answers with a list of frames, or with those of a function."""
    running = {
        name: FakeService(bus, name, answer if callable(answer) else lambda _, frames=answer: frames)
        for name, answer in answers.items()
    }
    async with run_in_background(*(service.run() for service in running.values())):
        yield running


async def frames_of(bus, service: str, question) -> list:
    """Asks until the service is there."""

    async def all_frames() -> list:
        return [frame async for frame in replay_frames(bus, service, question)]

    return await eventually(all_frames)


def state_question() -> StateQuestion:
    return StateQuestion(frames="", last=1, account="acme", at=NOW)


async def lines_of(make) -> list:
    """The lines of a replay, once its services are there."""

    async def all_lines() -> list:
        return [line async for line in make()]

    return await eventually(all_lines)


async def test_frames_come_in_order_up_to_the_end(bus):
    item = SettingsItem(section="rules", key="max_size", value=1)
    async with services(bus, policy=[PROGRESS, item, ReplayDone(counts={"mails": 3}), PROGRESS]):
        assert await frames_of(bus, "policy", state_question()) == [PROGRESS, item, ReplayDone(counts={"mails": 3})]


async def test_who_leaves_a_replay_ends_it_at_the_service(bus):
    endless = [PROGRESS] * 10_000
    async with services(bus, policy=endless) as running:

        async def left() -> bool:
            frames = replay_frames(bus, "policy", state_question())
            await anext(frames)
            await frames.aclose()
            return True

        await eventually(left)
        async with asyncio.timeout(60):
            await running["policy"].left_alone.wait()


async def test_a_service_that_does_not_answer_is_named(bus):
    with pytest.raises(TransientError, match="policy can't replay"):
        await anext(replay_frames(bus, "policy", state_question()))


async def test_a_service_that_is_busy_for_too_long_is_a_conflict(bus, monkeypatch):
    monkeypatch.setattr(replay_client, "_BUSY_SECONDS", 0.1)
    async with services(bus, policy=[]) as running:
        running["policy"].refused = "another replay is running"

        async def refused() -> str:
            try:
                await anext(replay_frames(bus, "policy", state_question()))
            except ConflictError as error:
                return str(error)
            return ""

        assert await eventually(refused) == "policy: another replay is running"


async def test_a_service_that_falls_silent_ends_the_replay(bus, monkeypatch):
    monkeypatch.setattr(replay_client, "_SILENT_SECONDS", 0.2)
    async with services(bus, policy=[PROGRESS]):

        async def silent() -> str:
            try:
                async for _ in replay_frames(bus, "policy", state_question()):
                    pass
            except TransientError as error:
                return str(error) if "no more frames" in str(error) else ""
            return ""

        assert await eventually(silent) == "policy sends no more frames of the replay"


async def test_verify_tells_each_difference_and_sums_up(bus):
    difference = VoteDifference(mail=MAIL, voter="policy", fields=("reply",), recorded=accept("policy"), again=NO)
    unreadable = UnreadableMail(sequence=7, why="no event")
    async with services(
        bus,
        policy=[PROGRESS, difference, unreadable, ReplayDone(counts={"differences": 1})],
        audit=[unreadable, ReplayDone(counts={"differences": 0})],
    ) as running:
        lines = await lines_of(lambda: verify(bus, ["policy"], SINCE, NOW))
    [told] = [line for line in lines if isinstance(line, DifferenceLine)]
    assert (told.mail, told.recorded, told.again) == (MAIL, accept("policy"), NO)
    assert [line.sequence for line in lines if isinstance(line, UnreadableLine)] == [7], "told once, though by two"
    assert isinstance(lines[-1], VerifyDone)
    assert (lines[-1].differences, lines[-1].unreadable, set(lines[-1].counts)) == (1, 1, {"policy", "audit"})
    question = running["policy"].questions[-1]
    assert isinstance(question, VerifyQuestion)
    assert (question.since, question.until, question.complete) == (SINCE, NOW, True)


async def test_a_voter_that_fails_ends_the_verification_with_its_reason(bus):
    async with services(bus, policy=[ReplayFailed(why="a bug")], audit=[PROGRESS, ReplayDone()]):
        lines = await lines_of(lambda: verify(bus, ["policy"], SINCE, NOW))
    assert lines[-1] == FailedLine(why="policy: a bug")


def what_if(bus, sections, *, listed=True):
    return WhatIfRun(bus, "acme", sections, SINCE, NOW, listed=listed).run()


async def test_a_what_if_tells_the_changes_of_the_file_and_the_mails_that_would_fare_otherwise(bus):
    def policy(question):
        if isinstance(question, PlanQuestion):
            return [PlannedChange(line="max_size: 1MB", event={"type": "x"}), ReplayDone()]
        return [
            ChangedVote(mail=MAIL, voter="policy", again=NO, votes=(accept("policy"),)),
            ReplayDone(counts={"mails": 4}),
        ]

    async with services(bus, policy=policy):
        lines = await lines_of(lambda: what_if(bus, {"rules": {"max_size": "1MB"}, "archive": {}}))
    assert ChangeLine(service="policy", text="max_size: 1MB") in lines
    [mail] = [line for line in lines if isinstance(line, MailLine)]
    assert (mail.mail, mail.outcome, mail.rule) == (MAIL, "would be refused", "too-big")
    done = lines[-1]
    assert isinstance(done, WhatIfDone)
    assert (done.mails, done.outcomes, done.ignored) == (4, {"would be refused": 1}, ("archive",))


async def test_a_what_if_of_routes_counts_the_recipients_of_accepted_mail_by_what_relay_says(bus):
    asked: list[RouteQuestion] = []

    async def relay(data: bytes) -> bytes:
        asked.append(question := decode_routes(data))
        places = [int(recipient.endswith("@partner.example")) for _, recipient in question.pairs]
        return encode_routes(
            RouteAnswer(routes=["own", "theirs"], before=[0] * len(places), after=places, changes=["+"])
        )

    def recorded(sequence: int, *recipients: str, kind: str = "accepted", age: int = 1) -> MailRecorded:
        at = NOW - timedelta(hours=age)
        sample = samples.record()
        envelope = replace(sample.envelope, recipients=recipients, received_at=at)
        record = replace(sample, envelope=envelope)
        return MailRecorded(at=at, sequence=sequence, kind=kind, stored_at=at, record=record)

    for event in (
        recorded(1, "a@partner.example", "b@x.example"),
        recorded(2, "a@partner.example", kind="convert"),
        recorded(3, "a@partner.example", kind="dsn"),
        recorded(4, "old@partner.example", age=48),
    ):
        await bus.events.append(event)
    end = await bus.requests.answer(ROUTES, "relay", relay)
    async with services(bus):
        lines = await lines_of(lambda: what_if(bus, {"routes": [{"recipients": ["@partner.example"], "to": "mx"}]}))
    end()
    done = lines[-1]
    assert isinstance(done, WhatIfDone)
    moves = {(move.before, move.after): move.recipients for move in done.routes}
    assert (done.mails, moves) == (2, {("own", "theirs"): 2, ("own", "own"): 1})
    assert ChangeLine(service="relay", text="+") in lines
    assert all(question.account == "acme" for question in asked)


async def test_routes_that_relay_refuses_end_the_what_if_with_the_place(bus):
    async def relay(_: bytes) -> bytes:
        return encode_routes(RouteAnswer(refused="unknown key", where=("routes", "0", "smathost")))

    end = await bus.requests.answer(ROUTES, "relay", relay)
    async with services(bus):
        lines = await lines_of(lambda: what_if(bus, {"routes": [{"smathost": "x"}]}))
    end()
    assert lines[-1] == FailedLine(why="relay: unknown key", where=("routes", "0", "smathost"))


async def test_quotas_are_decided_last_with_what_the_others_would_let_pass(bus):
    def policy(question):
        if isinstance(question, PlanQuestion):
            return [ReplayDone()]
        return [ChangedVote(mail=MAIL, voter="policy", again=NO, votes=(accept("policy"),)), ReplayDone()]

    def ratelimit(question):
        return [ReplayDone()] if isinstance(question, PlanQuestion) else [VoteOutcomes(page=0), ReplayDone()]

    async with services(bus, policy=policy, ratelimit=ratelimit) as running:
        await lines_of(lambda: what_if(bus, {"rules": {}, "quotas": {"messages": 1}}))
        asked = running["ratelimit"].questions[-1]
        assert isinstance(asked, WhatIfQuestion)
        assert asked.staged
        assert {"m1": False} in [reply.outcomes for reply in running["ratelimit"].replies]


async def test_what_filelink_makes_of_its_section_is_assumed_for_policy(bus):
    planned = {"type": "filelink.chosen.v1"}

    def filelink(question):
        return (
            [PlannedChange(line="", event=planned), ReplayDone()]
            if isinstance(question, PlanQuestion)
            else [ReplayDone()]
        )

    async with services(bus, policy=[ReplayDone()], filelink=filelink) as running:
        lines = await lines_of(lambda: what_if(bus, {"filelink": "off"}))
        assert not [line for line in lines if isinstance(line, ChangeLine)], "it is so already"
        assert len(running["policy"].questions[-1].assumed) == 1


async def test_a_file_that_its_owner_refuses_ends_the_what_if_at_the_faulty_place(bus):
    async with services(bus, policy=[ReplayFailed(why="no such rule", where=("rules", "x"))]) as running:
        lines = await lines_of(lambda: what_if(bus, {"rules": {"x": 1}}))
        assert lines == [FailedLine(why="policy: no such rule", where=("rules", "x"))]
        assert all(isinstance(question, PlanQuestion) for question in running["policy"].questions)


async def test_settings_at_a_time_name_the_services_that_failed(bus):
    item = SettingsItem(section="rules", key="max_size", value=1, sequence=3)
    answers = {service: [ReplayDone()] for service in SERVICES} | {
        "policy": [item, UnreadableMail(sequence=9, why="no event"), ReplayDone()],
        "relay": [SettingsItem(section="route", key="", value="x"), ReplayFailed(why="a bug")],
    }
    async with services(bus, **answers):

        async def found():
            settings = await settings_at(bus, "acme", PointInTime(10, NOW), own=False)
            return settings if set(settings.missing) == {"relay"} else None

        settings = await eventually(found)
    assert (settings.items, settings.missing, settings.unreadable) == ([item], {"relay": "a bug"}, {9})


async def test_a_point_in_time_is_a_sequence_or_the_last_event_before_a_time(bus):
    for number in range(3):
        await bus.events.append(samples.failed(number))
    assert (await point_in_time(bus, 2)).sequence == 2
    assert (await point_in_time(bus, datetime.now(UTC) - timedelta(hours=1))).sequence == 0
    with pytest.raises(NotFound, match="the last one is 3"):
        await point_in_time(bus, 4)
    with pytest.raises(RefusedCommand, match="yet to come"):
        await point_in_time(bus, datetime.now(UTC) + timedelta(hours=1))


def test_progress_of_several_services_is_their_mean_and_the_mails_of_the_slowest():
    progress = CombinedProgress(["policy", "ratelimit"])
    assert progress.update("policy", PROGRESS).part == 0.25
    line = progress.update("ratelimit", ReplayProgress(sequence=10, first=1, last=10, mails=9))
    assert (line.part, line.mails) == (0.75, 3)
    assert progress.finish("policy").part == 1.0


def test_progress_stays_within_its_bounds_though_events_come_meanwhile():
    progress = CombinedProgress(["policy"])
    assert progress.update("policy", ReplayProgress(sequence=20, first=1, last=10, mails=0)).part == 1.0
    assert progress.update("policy", ReplayProgress(sequence=0, first=1, last=0, mails=0)).part == 0.0
