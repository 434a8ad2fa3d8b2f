"""EVENTS: facts appended with an expectation, and followed in order without a gap."""

import logging
from collections.abc import AsyncGenerator
from datetime import UTC, datetime

import msgspec

from varco_common import subjects
from varco_common.bus import jetstream
from varco_common.bus.connection import Connection
from varco_common.bus.ordered import Ordered
from varco_common.bus.parking import parked
from varco_common.bus.wire import headers_of
from varco_common.events import AnyEvent, Event, decode_event, encode_event

log = logging.getLogger(__name__)


class Stored(msgspec.Struct, frozen=True):
    """An event where it lies: its place in EVENTS, and when it was stored (UTC)."""

    sequence: int
    at: datetime
    event: AnyEvent


async def append(
    link: Connection,
    event: Event,
    *,
    expect: int | None,
    expect_subject: str | None,
    once: str,
    timeout: float,
) -> int:
    subject = event.subject
    fields = []
    if expect is not None:
        fields.append(("Nats-Expected-Last-Subject-Sequence", str(expect)))
        if expect_subject is not None and expect_subject != subject:
            fields.append(("Nats-Expected-Last-Subject-Sequence-Subject", expect_subject))
    if once:
        fields.append(("Nats-Msg-Id", once))
    headers = headers_of(*fields) if fields else b""
    return await jetstream.append(link, subject, encode_event(event), headers, timeout)


async def follow(
    link: Connection, filters: tuple[str, ...], after: int, timeout: float
) -> AsyncGenerator[Stored, None]:
    async with Ordered.open(link, subjects.EVENTS, filters, after) as messages:
        async for sequence, nanoseconds, payload in messages:
            try:
                event = decode_event(payload)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                await parked(link, subjects.EVENTS, sequence, str(error), timeout)
                continue
            yield Stored(sequence, datetime.fromtimestamp(nanoseconds / 1e9, UTC), event)
