"""The admin tokens that were issued and not revoked.

An account's own tokens are part of the account. Pure.
"""

import msgspec
from msgspec.structs import replace

from varco_common.events import AnyEvent, TokenIssued, TokenRevoked
from varco_policy.model.account import IssuedToken


class AdminTokens(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens by id."""

    tokens: dict[str, IssuedToken] = {}


def apply(state: AdminTokens | None, event: AnyEvent) -> AdminTokens | None:
    """The tokens after the event."""
    state = state or AdminTokens()
    match event:
        case TokenIssued(token=token):
            issued = IssuedToken(id=token, name=event.name, issued_at=event.at)
            return replace(state, tokens={**state.tokens, token: issued})
        case TokenRevoked(token=token):
            return replace(state, tokens={key: issued for key, issued in state.tokens.items() if key != token})
        case _:
            return state
