"""Short-lived tokens with the rights of a person: the console asks policy for them (ADR 36)."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Annotated

import msgspec

from varco_common.base import subjects
from varco_common.base.json_decoding import decode_json
from varco_common.bus import Bus
from varco_common.bus.requests import RequestHandler
from varco_common.events import PersonRole
from varco_common.runtime.token_signer import TokenSigner
from varco_common.runtime.tokens import ADMIN, PERSON_NAME

QUESTION = subjects.request("policy", "person-token")
LIFE_SECONDS = 300


class PersonRights(msgspec.Struct, frozen=True, kw_only=True):
    """Who is signed in, as what. `account` is empty for roles that see all accounts.

    `since` is when the person was added: a later account of the same name is somebody else's.
    """

    person: Annotated[str, msgspec.Meta(pattern=f"^{PERSON_NAME}$")]
    role: PersonRole
    account: str = ""
    since: datetime | None = None


_decoder = msgspec.json.Decoder(PersonRights)


class RightsRefused(Exception):
    """policy gives this person no token: the account is closed."""


async def token_of(bus: Bus, rights: PersonRights) -> tuple[str, float]:
    """A token, and when it ends (seconds since 1970). Raises TransientError, RightsRefused."""
    text = (await bus.requests.ask(QUESTION, msgspec.json.encode(rights))).decode()
    if not text:
        raise RightsRefused(rights.person)
    return text, time.time() + LIFE_SECONDS


def answering(signer: TokenSigner, opened_at: Callable[[str], datetime | None]) -> RequestHandler:
    """How policy answers: with the text of a token, or with nothing.

    `opened_at` tells when an account was opened; None if it is not open.
    """

    async def answer(payload: bytes) -> bytes:
        try:
            rights = decode_json(_decoder, payload)
        except msgspec.DecodeError:
            return b""
        scope = ADMIN if rights.role.sees_all else rights.account
        if not rights.role.sees_all and not _covers(rights, opened_at(scope)):
            return b""
        until = int(time.time()) + LIFE_SECONDS
        _, text = signer.mint_limited(scope, read_only=not rights.role.may_change, until=until, person=rights.person)
        return text.encode()

    return answer


def _covers(rights: PersonRights, opened: datetime | None) -> bool:
    return opened is not None and (rights.since is None or opened <= rights.since)
