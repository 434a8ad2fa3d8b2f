"""The API of events and traces, with requests that its OpenAPI description allows or doesn't."""

import asyncio
from functools import partial

from varco_common.testing.schema import call_everything

PATHS = r"^/(events|events/\{sequence\}|index|traces/.*)$"  # what is followed has no end


async def test_no_request_makes_an_error_of_ours(gate):
    await gate.mail()
    async with gate.audit():
        called = await asyncio.to_thread(partial(call_everything, paths=PATHS), gate.base, gate.token())
    assert len(called) == 4
