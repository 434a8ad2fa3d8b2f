"""The projection of the admin tokens, and revoking one. An account has its own tokens itself."""

import re

from varco_common.base import subjects
from varco_common.base.errors import NotFound
from varco_common.base.ids import ALPHABET, LENGTH
from varco_common.events import TokenRevoked, TokenUsed
from varco_common.eventsourcing.commands import Change, CommandContext
from varco_common.eventsourcing.projection_spec import ProjectionSpec
from varco_common.runtime.tokens import ADMIN
from varco_policy.model.admin_tokens import AdminTokens, apply

_ID = re.compile(rf"[{ALPHABET}]{{{LENGTH}}}")


def revoke_admin_token(
    state: AdminTokens | None, context: CommandContext, token: str, *, unlisted: bool = False
) -> list[Change]:
    """Raises NotFound for an id that is not listed, unless it is `unlisted` on purpose.

    The first admin token was made without an event, and so was every one that a lost `admin.token`
    was replaced with.
    """
    issued = state.tokens.get(token) if state else None
    if not issued and not (unlisted and _ID.fullmatch(token)):
        raise NotFound(
            f"there is no token {token}: `varco tokens list` has those of admins, with --account those of an account"
        )
    return [Change("remove", "token", token, issued.name if issued else "", context.event(TokenRevoked, token=token))]


ADMIN_TOKENS = ProjectionSpec(
    "admin-tokens",
    (subjects.event("policy", "*", ADMIN), TokenUsed.subject_filter()),
    apply,
    AdminTokens,
    lambda event: str(getattr(event, "account", "")),
)
