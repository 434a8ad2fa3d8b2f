"""What the API does with whatever its OpenAPI description allows, and with what it doesn't."""

import asyncio
from functools import partial

from varco_common.testing.schema import call_everything, of_account


async def test_no_request_makes_an_error_of_ours(gate):
    await gate.quotas(messages=3)
    call = partial(call_everything, adapt=of_account("acme"))
    called = await asyncio.to_thread(call, gate.base, gate.signer.mint_admin()[1])
    assert len(called) == 11
