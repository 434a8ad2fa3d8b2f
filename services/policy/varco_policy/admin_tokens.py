"""The admin tokens that were issued: who may do everything. An account's own tokens are part of the account."""

import msgspec
from msgspec.structs import replace

from varco_common.base import subjects
from varco_common.events import AnyEvent, TokenIssued, TokenRevoked
from varco_common.eventsourcing.projection_spec import ProjectionSpec
from varco_common.runtime.tokens import ADMIN
from varco_policy.model import IssuedToken


class AdminTokens(msgspec.Struct, frozen=True, kw_only=True):
    """By id."""

    tokens: dict[str, IssuedToken] = {}


def apply(state: AdminTokens | None, event: AnyEvent) -> AdminTokens | None:
    """The tokens after the event. Pure."""
    state = state or AdminTokens()
    match event:
        case TokenIssued(token=token):
            issued = IssuedToken(id=token, name=event.name, issued_at=event.at)
            return replace(state, tokens={**state.tokens, token: issued})
        case TokenRevoked(token=token):
            return replace(state, tokens={key: held for key, held in state.tokens.items() if key != token})
        case _:
            return state


ADMIN_TOKENS = ProjectionSpec("admin-tokens", (subjects.event("policy", "*", ADMIN),), apply, AdminTokens)
