"""What the API does with whatever its OpenAPI description allows, and with what it doesn't."""

import asyncio
from functools import partial

from varco_common.testing.schema import call_everything, of_account

from .conftest import switch_on


async def test_no_request_makes_an_error_of_ours(gate):
    async with gate.archive() as client:
        await switch_on(client)
        call = partial(call_everything, adapt=of_account("acme"))
        called = await asyncio.to_thread(call, str(client.base_url), client.headers["Authorization"].split()[1])
    assert len(called) > 3
