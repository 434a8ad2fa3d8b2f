"""What if an account's file had been another: its mails decided again under changed rules. Nothing is changed by it."""

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from datetime import datetime
from typing import Any

import msgspec

from varco_audit.recording.recorded_extent import recorded_extent
from varco_audit.replay.output_lines import (
    ChangeLine,
    CombinedProgress,
    FailedLine,
    MailLine,
    OutputLine,
    ProgressLine,
    UnreadableLine,
    WhatIfDone,
)
from varco_audit.replay.replay_client import merged_replay_frames, replay_frames
from varco_audit.replay.whatif_outcomes import WhatIfTally, WhatIfVotes
from varco_common.bus import Bus
from varco_common.eventsourcing.replay.frames import (
    ChangedVote,
    Go,
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
    POLICY: ("language", "hosts", "users", "senders", "networks", "rules", "notices"),
    FILELINK: ("filelink",),
    RATELIMIT: ("quotas",),
}
WITHOUT_VOTE = ("route", "archive")  # no vote depends on these
PAGE = 20_000


class WhatIfRun:
    """One question.

    What filelink makes of its section goes to policy as well, which weighs mails by it. Quotas are judged last, for only
    what the others would let pass counts.
    """

    def __init__(
        self, bus: Bus, account: str, sections: Mapping[str, Any], since: datetime, until: datetime, *, listed: bool
    ) -> None:
        self._bus, self._account, self._since, self._until = bus, account, since, until
        self._listed = listed
        self._sections = {
            owner: {name: sections[name] for name in names if name in sections} for owner, names in OWNERS.items()
        }
        self._ignored = tuple(name for name in WITHOUT_VOTE if name in sections)
        self._outcomes, self._tally = WhatIfVotes(), WhatIfTally()
        self._counts: dict[str, int] = {}
        self._events: dict[str, list[msgspec.Raw]] = {owner: [] for owner in OWNERS}
        self._last = 0

    async def run(self) -> AsyncGenerator[OutputLine, None]:
        """Lines up to Imagined or Broken. Raises TransientError, ConflictError."""
        self._last = (await recorded_extent(self._bus)).last
        for part in (self._planned, self._judged):
            async for line in part():
                yield line
                if isinstance(line, FailedLine):
                    return
        for found in self._outcomes.found():
            self._tally.add(found)
            if self._listed:
                yield MailLine(
                    outcome=found.outcome, mail=found.mail, voter=found.voter, rule=found.rule, reason=found.reason
                )
        yield self._end()

    async def _planned(self) -> AsyncGenerator[OutputLine, None]:
        """What each owner makes of its sections, as of now: a file that it wouldn't take ends here."""
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
                            self._events[service].append(event)
                            if text:
                                yield ChangeLine(service=service, text=text)
                        case _:
                            pass

    async def _judged(self) -> AsyncGenerator[OutputLine, None]:
        stages = [stage for stage in self._stages() if stage]
        for number, stage in enumerate(stages):
            pages = _pages(self._outcomes.passing(without=RATELIMIT)) if RATELIMIT in stage else []
            async for line in self._stage(stage, pages):
                if isinstance(line, ProgressLine):
                    part = (number + line.part) / len(stages)
                    yield ProgressLine(part=round(part, 4), mails=line.mails)
                else:
                    yield line

    async def _stage(
        self, questions: Mapping[str, WhatIfQuestion], pages: list[dict[str, bool]]
    ) -> AsyncGenerator[OutputLine, None]:
        def page(number: int) -> Go:
            return Go(outcomes=pages[number] if number < len(pages) else {}, more=number + 1 < len(pages))

        pace = CombinedProgress(questions)
        async with aclosing(merged_replay_frames(self._bus, questions, page)) as said:
            async for service, frame in said:
                match frame:
                    case ReplayProgress():
                        yield pace.said(service, frame)
                    case ChangedVote():
                        self._outcomes.add(frame)
                    case UnreadableMail(sequence=sequence, why=why):
                        yield UnreadableLine(sequence=sequence, why=why, service=service)
                    case ReplayFailed(why=why, where=where):
                        yield FailedLine(why=f"{service}: {why}", where=where)
                    case ReplayDone(counts=counts):
                        self._counts |= {name: max(count, self._counts.get(name, 0)) for name, count in counts.items()}
                        yield pace.done(service)
                    case _:
                        pass

    def _stages(self) -> Iterator[dict[str, WhatIfQuestion]]:
        asked = [name for name in (POLICY, FILELINK) if self._sections[name]]
        if FILELINK in asked and POLICY not in asked:
            asked.append(POLICY)
        yield {name: self._question(name) for name in asked}
        yield {RATELIMIT: self._question(RATELIMIT)} if self._sections[RATELIMIT] else {}

    def _question(self, service: str) -> WhatIfQuestion:
        return WhatIfQuestion(
            frames="",
            last=self._last,
            since=self._since,
            until=self._until,
            account=self._account,
            sections=self._sections[service],
            assumed=tuple(self._events[FILELINK]) if service == POLICY else (),
            staged=service == RATELIMIT,
        )

    def _end(self) -> WhatIfDone:
        tally = self._tally
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
        )


def _pages(outcomes: Mapping[str, bool]) -> list[dict[str, bool]]:
    items = [*outcomes.items()]
    return [dict(items[start : start + PAGE]) for start in range(0, len(items), PAGE)]
