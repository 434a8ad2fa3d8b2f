"""Answers one replay question: reads EVENTS, lets the service decide, and sends the results."""

from datetime import UTC, datetime

from msgspec import Raw

from varco_common.bus import Bus
from varco_common.events import encode_event
from varco_common.eventsourcing.replay.frames import (
    AnyReplayQuestion,
    PlannedChange,
    PlanQuestion,
    ReplayDone,
    ReplayFailed,
    StateQuestion,
    VerifyQuestion,
    WhatIfQuestion,
)
from varco_common.eventsourcing.replay.mail_replay import load_settings
from varco_common.eventsourcing.replay.replayable import RefusedSection, ReplayableVoter, SettingsView
from varco_common.eventsourcing.replay.result_stream import ResultStream
from varco_common.eventsourcing.replay.settings_as_of import replay_settings
from varco_common.eventsourcing.replay.verification import Verification
from varco_common.eventsourcing.replay.what_if import WhatIf


async def perform(
    bus: Bus,
    question: AnyReplayQuestion,
    results: ResultStream,
    *,
    voter: ReplayableVoter | None,
    view: SettingsView | None,
) -> None:
    """The last result is ReplayDone or ReplayFailed.

    Raises ReceiverGone, and TransientError while the bus is away.
    """
    try:
        counts = await _answer(bus, question, results, voter, view)
    except RefusedSection as refusal:
        await results.send(ReplayFailed(why=str(refusal), where=refusal.where))
        return
    if counts is None:
        await results.send(ReplayFailed(why="this service can't answer that"))
    else:
        await results.send(ReplayDone(counts=counts))


async def _answer(
    bus: Bus,
    question: AnyReplayQuestion,
    results: ResultStream,
    voter: ReplayableVoter | None,
    view: SettingsView | None,
) -> dict[str, int] | None:
    if isinstance(question, StateQuestion):
        return await replay_settings(bus, question, results, view) if view else None
    if voter is None:
        return None
    match question:
        case VerifyQuestion():
            return await Verification(bus, question, results, voter).run()
        case WhatIfQuestion():
            return await WhatIf(bus, question, results, voter).run()
        case PlanQuestion():
            return await _plan(bus, question, results, voter)


async def _plan(bus: Bus, question: PlanQuestion, results: ResultStream, voter: ReplayableVoter) -> dict[str, int]:
    await load_settings(bus, question.last, results, voter)
    lines = await voter.plan(question.account, question.sections, datetime.now(UTC))
    for line in lines:
        await results.add(PlannedChange(line=line.text, event=Raw(encode_event(line.event))))
    return {"changes": len(lines)}
