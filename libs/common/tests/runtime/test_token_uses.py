"""Services tell policy of a token's use once, and again if policy was away."""

from varco_common.bus import Bus
from varco_common.runtime import token_uses
from varco_common.runtime.token_uses import TokenUses
from varco_common.runtime.tokens import ApiToken
from varco_common.testing.waiting import eventually

TOKEN = ApiToken(id="0" * 20, scope="acme")
OF_A_PERSON = ApiToken(id="1" * 20, scope="acme", person="anna")


async def test_a_use_is_told_once_however_often_a_token_is_used(bus: Bus):
    told: list[bytes] = []

    async def listen(payload: bytes) -> bytes:
        told.append(payload)
        return b""

    uses = TokenUses()
    uses.note(TOKEN)  # before there is a bus: nobody waits for it
    uses.bus = bus
    uses.note(TOKEN)  # nobody answers yet
    await eventually(lambda: not uses._telling)
    await bus.requests.answer(token_uses.QUESTION, "policy", listen)
    uses.note(OF_A_PERSON)
    for _ in range(5):
        uses.note(TOKEN)
    await eventually(lambda: not uses._telling)
    assert told == [TOKEN.id.encode()]
