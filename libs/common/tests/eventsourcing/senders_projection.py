"""A projection of the senders of accounts, whose states show order and count."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import msgspec

from varco_common.events import (
    AccountClosed,
    AccountOpened,
    AnyEvent,
    Language,
    SenderAuthorised,
    SenderWithdrawn,
)
from varco_common.eventsourcing.projection import Projection
from varco_common.eventsourcing.projection_spec import ProjectionSpec

AT = datetime(2026, 11, 24, 9, tzinfo=UTC)
ALL = "events.policy.*.*"


class Senders(msgspec.Struct, frozen=True):
    """A state in which order and count show.

    A fold that skips or repeats an event ends up different.
    """

    patterns: tuple[str, ...] = ()
    seen: int = 0


def apply(state: Senders | None, event: AnyEvent) -> Senders | None:
    match event:
        case AccountOpened():
            return Senders()
        case AccountClosed():
            return None
        case SenderAuthorised(pattern=pattern) if state:
            return Senders((*state.patterns, pattern), state.seen + 1)
        case SenderWithdrawn(pattern=pattern) if state:
            return Senders(tuple(p for p in state.patterns if p != pattern), state.seen + 1)
        case _:
            return state


def opened(account="acme"):
    return AccountOpened(at=AT, account=account, language=Language.EN)


def authorised(pattern, account="acme"):
    return SenderAuthorised(at=AT, account=account, pattern=pattern)


@asynccontextmanager
async def following(bus, engine, apply=apply, state=Senders) -> AsyncIterator[Projection[Senders]]:
    projection = Projection(ProjectionSpec("senders", (ALL,), apply, state), bus, engine, "policy")
    async with projection.following():
        yield projection
