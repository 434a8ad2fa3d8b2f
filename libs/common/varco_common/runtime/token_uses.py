"""When a token was used last: each service tells policy, once an hour for each token."""

import asyncio
from datetime import timedelta

from cachetools import TTLCache

from varco_common.base import subjects
from varco_common.base.errors import TransientError
from varco_common.bus import Bus
from varco_common.runtime.tokens import ApiToken

QUESTION = subjects.request("policy", "token-used")
TOLD_EVERY = timedelta(hours=1)
_REMEMBERED = 10_000  # tokens; one that is forgotten is only told again
_ANSWER_SECONDS = 30.0


class TokenUses:
    """Notes the uses of valid tokens. No request waits for that."""

    def __init__(self) -> None:
        self._told: TTLCache[str, None] = TTLCache(_REMEMBERED, TOLD_EVERY.total_seconds())
        self._telling: set[asyncio.Task[None]] = set()
        self.bus: Bus | None = None  # None: the service is still starting

    def note(self, token: ApiToken) -> None:
        """Tokens of persons have no list: their sessions have a last use."""
        if not self.bus or token.person or token.id in self._told:
            return
        self._told[token.id] = None
        task = asyncio.create_task(self._tell(self.bus, token.id))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _tell(self, bus: Bus, token: str) -> None:
        try:
            await bus.requests.ask(QUESTION, token.encode(), timeout=_ANSWER_SECONDS)
        except TransientError:  # policy is away: the next use tells it
            self._told.pop(token, None)
