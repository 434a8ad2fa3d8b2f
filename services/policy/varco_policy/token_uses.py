"""Records when tokens are used, as the services tell it: one event an hour for each token."""

from datetime import UTC, datetime

from cachetools import TTLCache

from varco_common.base import log
from varco_common.base.errors import VarcoError
from varco_common.bus import Bus
from varco_common.events import TokenUsed
from varco_common.eventsourcing.projection import Projection
from varco_common.runtime.token_uses import TOLD_EVERY
from varco_common.runtime.tokens import ADMIN
from varco_policy.account_directory import NAME, AccountDirectory
from varco_policy.model.admin_tokens import AdminTokens

_REMEMBERED = 10_000  # tokens; a use that is forgotten is only recorded again
_log = log.get(__name__)


class TokenUseRecorder:
    """Answers the question of `runtime/token_uses.py`. Unlisted tokens are passed over."""

    def __init__(self, bus: Bus, accounts: AccountDirectory, admins: Projection[AdminTokens]) -> None:
        self._bus, self._accounts, self._admins = bus, accounts, admins
        self._recorded: TTLCache[str, None] = TTLCache(_REMEMBERED, TOLD_EVERY.total_seconds())

    async def on_used(self, payload: bytes) -> bytes:
        """`payload` is the id of a token."""
        token, now = payload.decode(errors="replace"), datetime.now(UTC)
        owner = self._owner(token)
        if not owner or token in self._recorded or self._was_used_lately(owner, token, now):
            return b""
        self._recorded[token] = None
        try:
            await self._bus.events.append(TokenUsed(at=now, account=owner, by=NAME, token=token))
        except VarcoError as error:
            self._recorded.pop(token, None)
            _log.warning("the use of a token was not recorded", token=token, error=str(error))
        return b""

    def _owner(self, token: str) -> str:
        """The account that the token is listed at, or `admin`; empty if it is not listed."""
        admins = self._admins.get(ADMIN)
        if admins and token in admins.tokens:
            return ADMIN
        return self._accounts.token_owner(token) or ""

    def _was_used_lately(self, owner: str, token: str, now: datetime) -> bool:
        state = self._admins.get(ADMIN) if owner == ADMIN else self._accounts.get(owner)
        issued = state.tokens.get(token) if state else None
        return bool(issued and issued.used_at and now - issued.used_at < TOLD_EVERY)
