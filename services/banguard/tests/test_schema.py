"""What the API does with whatever its OpenAPI description allows, and with what it doesn't."""

import asyncio
from functools import partial
from typing import Any

from varco_common.testing.schema import call_everything


def to_the_end(case: Any) -> None:
    if case.operation.path == "/log":
        case.query["follow"] = False  # it would go on for ever


async def test_no_request_makes_an_error_of_ours(banguard):
    for _ in range(3):
        await banguard.fail("192.0.2.7")
    await banguard.next_event("host-banned")
    call = partial(call_everything, adapt=to_the_end)
    called = await asyncio.to_thread(call, banguard.base, banguard.signer.mint_admin()[1])
    assert len(called) == 14
