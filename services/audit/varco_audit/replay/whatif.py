"""Decides an account's past mails again under another account file. Nothing is changed by it."""

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from datetime import datetime
from typing import Any

import msgspec

from varco_audit.recording.recorded_position import wait_until_recorded
from varco_audit.replay.output_lines import (
    ChangeLine,
    CombinedProgress,
    FailedLine,
    OutputLine,
    ProgressLine,
    RouteMove,
    UnreadableLine,
    WhatIfDone,
)
from varco_audit.replay.replay_client import merged_replay_frames, replay_frames
from varco_audit.replay.route_moves import SECTIONS, past_pairs, route_moves
from varco_audit.replay.verify import RECORDED_SECONDS
from varco_audit.replay.whatif_outcomes import WhatIfTally, WhatIfVotes
from varco_audit.table_projection import ALL_EVENTS
from varco_common.bus import Bus
from varco_common.eventsourcing.replay.frames import (
    BatchReply,
    ChangedVote,
    PlannedChange,
    PlanQuestion,
    ReplayDone,
    ReplayFailed,
    ReplayProgress,
    UnreadableMail,
    WhatIfQuestion,
)

POLICY, RATELIMIT, FILELINK = "policy", "ratelimit", "filelink"
OWNERS = {
    POLICY: ("language", "time_zone", "hosts", "users", "senders", "networks", "rules", "notices"),
    FILELINK: ("filelink",),
    RATELIMIT: ("quotas",),
}
IGNORED = ("archive",)  # neither a vote nor a route depends on it
_OUTCOMES_PER_PAGE = 20_000


class WhatIfRun:
    """One what-if. `listed`: each mail whose outcome changes gets a line.

    `examples`: the result has so many of them.

    The events that filelink plans are also assumed for policy, which weighs mails as they leave.
    ratelimit decides last, because it counts only mails that all others accept.
    """

    def __init__(
        self,
        bus: Bus,
        account: str,
        sections: Mapping[str, Any],
        since: datetime,
        until: datetime,
        *,
        listed: bool,
        examples: int = 0,
    ) -> None:
        self._bus, self._account, self._since, self._until = bus, account, since, until
        self._listed, self._tally = listed, WhatIfTally(examples)
        self._sections = {
            owner: {name: sections[name] for name in names if name in sections} for owner, names in OWNERS.items()
        }
        self._ignored = tuple(name for name in IGNORED if name in sections)
        self._routes = {name: sections[name] for name in SECTIONS if name in sections}
        self._moves: tuple[RouteMove, ...] = ()
        self._votes = WhatIfVotes()
        self._counts: dict[str, int] = {}
        self._planned_events: dict[str, list[msgspec.Raw]] = {owner: [] for owner in OWNERS}
        self._last = 0  # the last event that counts

    async def run(self) -> AsyncGenerator[OutputLine, None]:
        """Lines up to WhatIfDone or FailedLine. Raises TransientError or ConflictError."""
        await wait_until_recorded(self._bus, RECORDED_SECONDS)
        self._last = await self._bus.events.last_sequence(ALL_EVENTS)
        for part in (self._plan, self._choose_routes, self._decide):
            async for line in part():
                yield line
                if isinstance(line, FailedLine):
                    return
        for change in self._votes.changes():
            self._tally.add(change)
            if self._listed:
                yield change
        yield self._result(self._tally)

    async def _plan(self) -> AsyncGenerator[OutputLine, None]:
        """What each owner would change now. A section that its owner refuses ends the what-if."""
        for service, sections in self._sections.items():
            if not sections:
                continue
            question = PlanQuestion(frames="", last=self._last, account=self._account, sections=sections)
            async with aclosing(replay_frames(self._bus, service, question)) as frames:
                async for frame in frames:
                    match frame:
                        case ReplayFailed(why=why, where=where):
                            yield FailedLine(why=f"{service}: {why}", where=where)
                        case PlannedChange(line=text, event=event):
                            self._planned_events[service].append(event)
                            if text:
                                yield ChangeLine(service=service, text=text)
                        case _:
                            pass

    async def _choose_routes(self) -> AsyncGenerator[OutputLine, None]:
        """No vote depends on routes: relay says which ones the accepted mails take."""
        if not self._routes:
            return
        pairs, self._counts["mails"] = await past_pairs(self._bus, self._account, self._since, self._until)
        moved = await route_moves(self._bus, self._account, self._routes, pairs)
        if moved.failed:
            yield moved.failed
        for line in moved.changes:
            yield line
        self._moves = moved.moves

    async def _decide(self) -> AsyncGenerator[OutputLine, None]:
        stages = [stage for stage in self._stages() if stage]
        for number, stage in enumerate(stages):
            async for line in self._run_stage(stage):
                if isinstance(line, ProgressLine):
                    part = (number + line.part) / len(stages)
                    yield ProgressLine(part=round(part, 4), mails=line.mails)
                else:
                    yield line

    async def _run_stage(self, questions: Mapping[str, WhatIfQuestion]) -> AsyncGenerator[OutputLine, None]:
        pages = _pages(self._votes.passing(without=RATELIMIT)) if RATELIMIT in questions else []

        def outcomes(page: int) -> BatchReply:
            return BatchReply(outcomes=pages[page] if page < len(pages) else {}, more=page + 1 < len(pages))

        progress = CombinedProgress(questions)
        async with aclosing(merged_replay_frames(self._bus, questions, outcomes)) as frames:
            async for service, frame in frames:
                match frame:
                    case ReplayProgress():
                        yield progress.update(service, frame)
                    case ChangedVote():
                        self._votes.add(frame)
                    case UnreadableMail(sequence=sequence, why=why):
                        yield UnreadableLine(sequence=sequence, why=why, service=service)
                    case ReplayFailed(why=why, where=where):
                        yield FailedLine(why=f"{service}: {why}", where=where)
                    case ReplayDone(counts=counts):
                        self._counts |= {name: max(count, self._counts.get(name, 0)) for name, count in counts.items()}
                        yield progress.finish(service)
                    case _:
                        pass

    def _stages(self) -> Iterator[dict[str, WhatIfQuestion]]:
        services = [name for name in (POLICY, FILELINK) if self._sections[name]]
        if services == [FILELINK]:
            services.append(POLICY)
        yield {name: self._question(name) for name in services}
        yield {RATELIMIT: self._question(RATELIMIT)} if self._sections[RATELIMIT] else {}

    def _question(self, service: str) -> WhatIfQuestion:
        return WhatIfQuestion(
            frames="",
            last=self._last,
            since=self._since,
            until=self._until,
            account=self._account,
            sections=self._sections[service],
            assumed=tuple(self._planned_events[FILELINK]) if service == POLICY else (),
            staged=service == RATELIMIT,
        )

    def _result(self, tally: WhatIfTally) -> WhatIfDone:
        return WhatIfDone(
            account=self._account,
            since=self._since,
            until=self._until,
            mails=self._counts.get("mails", 0),
            early=self._counts.get("early", 0),
            silent=self._counts.get("silent", 0),
            outcomes=dict(tally.outcomes),
            senders={sender: dict(counts) for sender, counts in tally.senders.items()},
            rules={rule: dict(counts) for rule, counts in tally.rules.items()},
            ignored=self._ignored,
            routes=self._moves,
            examples=tuple(tally.newest()),
        )


def _pages(outcomes: Mapping[str, bool]) -> list[dict[str, bool]]:
    items = [*outcomes.items()]
    return [dict(items[start : start + _OUTCOMES_PER_PAGE]) for start in range(0, len(items), _OUTCOMES_PER_PAGE)]
