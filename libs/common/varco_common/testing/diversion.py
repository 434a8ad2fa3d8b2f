"""What a service that was taken over can do to a stream that it may not write."""

import json

from varco_common.bus.streams import manager
from varco_common.testing.nats import NatsServer


async def divert(nats: NatsServer, subject: str, payload: bytes, bait: str = "events.bait.thing.x") -> None:
    """Stores `payload` at `subject`, as the answer to a direct get of a message at `bait`."""
    async with manager(nats.settings()) as raw:
        stored = json.loads((await raw.request(bait, payload, timeout=30)).data)
        before = (await raw.jetstream().stream_info("EVENTS")).state.last_seq
        request = json.dumps({"seq": stored["seq"]}).encode()
        await raw.publish("$JS.API.DIRECT.GET.EVENTS", request, reply=subject)
        await raw.flush()
        while subject.startswith("events.") and (await raw.jetstream().stream_info("EVENTS")).state.last_seq == before:
            pass
