"""Tokens that earlier versions signed: only policy has their key, so the others ask it (ADR 1)."""

import asyncio
import hashlib

from cachetools import LRUCache

from varco_common.base import subjects
from varco_common.bus import Bus
from varco_common.bus.requests import RequestHandler
from varco_common.runtime.token_signer import TokenSigner
from varco_common.runtime.tokens import InvalidToken

QUESTION = subjects.request("policy", "token")

_VALID, _INVALID = b"valid", b"invalid"
_REMEMBERED = 4_096
_ASKED_AT_ONCE = 8  # what strangers make up must not fill the bus


class EarlierTokens:
    """Asks policy about each token once, and remembers those that are valid.

    Revocation is none of its business.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._valid: LRUCache[bytes, bool] = LRUCache(_REMEMBERED)
        self._turns = asyncio.Semaphore(_ASKED_AT_ONCE)

    async def verify(self, text: str) -> bool:
        """Whether policy's key signed it. Raises TransientError while policy is away."""
        digest = hashlib.sha256(text.encode()).digest()
        if digest in self._valid:
            return True
        async with self._turns:
            if await self._bus.requests.ask(QUESTION, text.encode()) != _VALID:
                return False
        self._valid[digest] = True
        return True


def answering(signer: TokenSigner) -> RequestHandler:
    """How policy answers."""

    async def answer(payload: bytes) -> bytes:
        try:
            signer.verify_earlier(payload.decode())
        except (InvalidToken, UnicodeDecodeError):
            return _INVALID
        return _VALID

    return answer
