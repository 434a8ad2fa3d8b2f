"""What the API does with whatever its OpenAPI description allows, and with what it doesn't."""

import asyncio
from functools import partial

from varco_common.testing.schema import call_everything, of_account


async def test_no_request_makes_an_error_of_ours(policy):
    await policy.put("/accounts/acme", senders=["@acme.example"])
    call = partial(call_everything, adapt=of_account("acme", "DELETE /accounts/{account}"))
    called = await asyncio.to_thread(call, policy.base, policy.signer.mint_admin()[1])
    assert len(called) > 25
