"""Dead letters: a record that cannot be handled stays in its stream, and an event tells of it."""

import asyncio
import logging
from datetime import UTC, datetime

from prometheus_client import Counter

from varco_common.base.errors import TransientError
from varco_common.bus import jetstream
from varco_common.bus.connection import NatsConnection
from varco_common.bus.headers import headers_of
from varco_common.events import RecordParked, encode_event

PARKED = Counter("varco_bus_parked_total", "Records that this process could not handle", ["service", "stream"])

_RETRY_SECONDS = 1.0

log = logging.getLogger(__name__)


async def park(
    connection: NatsConnection,
    stream: str,
    sequence: int,
    why: str,
    timeout: float,
    *,
    consumer: str = "",
    again: str = "",
) -> None:
    """Appends `RecordParked`, once for each `again`.

    Retries until it is stored: no record may be dropped unseen.
    """
    event = RecordParked(
        at=datetime.now(UTC), service=connection.name, stream=stream, sequence=sequence, why=why, consumer=consumer
    )
    headers = headers_of(("Nats-Msg-Id", f"parked-{connection.name}-{stream}-{sequence}{again}"))
    PARKED.labels(connection.name, stream).inc()
    log.error("parked: %s %d: %s", stream, sequence, why)
    while True:
        try:
            await jetstream.append(connection, event.subject, encode_event(event), headers, timeout)
        except TransientError as error:
            log.warning("%s %d is parked later: %s", stream, sequence, error)
            await asyncio.sleep(_RETRY_SECONDS)
        else:
            return
