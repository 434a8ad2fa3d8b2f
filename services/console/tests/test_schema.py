"""What the API does with whatever its OpenAPI description allows, and with what it doesn't."""

import asyncio

from varco_common.runtime.token_signer import TokenSigner
from varco_common.testing.running import KEY
from varco_common.testing.schema import call_everything


async def test_no_request_makes_an_error_of_ours(console):
    token = TokenSigner(KEY.encode()).mint_admin()[1]
    called = await asyncio.to_thread(call_everything, str(console.admin.base_url), token)
    assert len(called) > 3
