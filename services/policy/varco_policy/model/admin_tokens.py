"""The admin tokens that were issued and not revoked.

An account's own tokens are part of the account. Pure.
"""

import msgspec
from msgspec.structs import replace

from varco_common.events import AnyEvent, TokenIssued, TokenRevoked, TokenUsed
from varco_policy.model.account import IssuedToken, with_token


class AdminTokens(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens by id."""

    tokens: dict[str, IssuedToken] = {}


def apply(state: AdminTokens | None, event: AnyEvent) -> AdminTokens | None:
    """The tokens after the event."""
    match event:
        case TokenUsed() if state is None:  # a token of an account
            return None
        case TokenIssued() | TokenRevoked() | TokenUsed():
            state = state or AdminTokens()
            return replace(state, tokens=with_token(state.tokens, event))
        case _:
            return state or AdminTokens()
