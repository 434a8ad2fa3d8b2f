"""Which routes past mail takes now, and under another account file: relay decides."""

from collections import Counter
from collections.abc import Mapping
from contextlib import aclosing
from datetime import datetime
from typing import Any, NamedTuple

from varco_audit.replay.output_lines import ChangeLine, FailedLine, RouteMove
from varco_common.base import subjects
from varco_common.bus import Bus
from varco_common.events import MailRecorded
from varco_common.mail.route_question import ROUTES, RouteQuestion, decode_answer, encode

SECTIONS = ("route", "routes")
_BATCH = 500  # pairs in one question, so that mail on its way waits for milliseconds at most
_SECONDS = 30.0
_ACCEPTED = ("accepted", "convert")  # a converted mail is one of these

Pairs = Counter[tuple[str, str]]


class RouteMoves(NamedTuple):
    """What relay says of all pairs; or why it refuses the file."""

    moves: tuple[RouteMove, ...] = ()
    changes: tuple[ChangeLine, ...] = ()
    failed: FailedLine | None = None


async def past_pairs(bus: Bus, account: str, since: datetime, until: datetime) -> tuple[Pairs, int]:
    """How often each sender wrote to each recipient in [since, until), and how many mails."""
    pairs: Pairs = Counter()
    mails = 0
    kind = MailRecorded.subject_filter(subjects.token(account))
    after = await bus.events.first_at(since, kind) - 1
    async with aclosing(bus.events.read(kind, after=after)) as events:
        async for stored in events:
            if isinstance(event := stored.event, MailRecorded) and event.kind in _ACCEPTED:
                envelope = event.record.envelope
                if since <= envelope.received_at < until:
                    mails += 1
                    pairs.update((envelope.sender, recipient) for recipient in dict.fromkeys(envelope.recipients))
    return pairs, mails


async def route_moves(bus: Bus, account: str, sections: Mapping[str, Any], pairs: Pairs) -> RouteMoves:
    """How many recipients would take which route. Raises TransientError if relay is away."""
    counts: Counter[tuple[str, str]] = Counter()
    changes: list[str] = []
    names = [*pairs]
    for start in range(0, max(len(names), 1), _BATCH):  # also without a mail: relay may refuse the file
        batch = names[start : start + _BATCH]
        question = RouteQuestion(account=account, sections=dict(sections), pairs=batch)
        answer = decode_answer(await bus.requests.ask(ROUTES, encode(question), _SECONDS))
        if answer.refused:
            return RouteMoves(failed=FailedLine(why=f"relay: {answer.refused}", where=answer.where))
        changes = answer.changes
        for pair, before, after in zip(batch, answer.before, answer.after, strict=True):
            counts[answer.routes[before], answer.routes[after]] += pairs[pair]
    moves = (RouteMove(before=before, after=after, recipients=count) for (before, after), count in counts.items())
    return RouteMoves(
        tuple(sorted(moves, key=lambda move: -move.recipients)),
        tuple(ChangeLine(service="relay", text=text) for text in changes),
    )
