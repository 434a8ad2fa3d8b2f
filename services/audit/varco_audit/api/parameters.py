"""How the API reads the parameters of a request: the account that a token may see, times."""

from datetime import UTC, datetime

from fastapi import HTTPException

from varco_common.runtime.tokens import ApiToken


def visible_account(token: ApiToken, account: str = "") -> str:
    """The account that a query is limited to; empty for all accounts.

    Raises 403 if an account's token names another account.
    """
    if token.is_admin:
        return account
    if account not in ("", token.scope):
        raise HTTPException(403, f"This token is for account {token.scope} alone.")
    return token.scope


def as_utc(at: datetime | None) -> datetime | None:
    """A time without an offset is UTC, whatever the zone of this machine."""
    return at.replace(tzinfo=UTC) if at and at.tzinfo is None else at
