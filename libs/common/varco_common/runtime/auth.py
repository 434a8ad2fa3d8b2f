"""Dependencies for the routes of the HTTP APIs: which token a caller needs."""

from typing import Annotated

from fastapi import Depends, HTTPException, Path, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from varco_common.runtime.tokens import ApiToken, InvalidToken, Keyring

READS = {"x-reads": True}
"""`openapi_extra` of a route that changes nothing, though its method could: a test, a replay."""

_bearer = HTTPBearer(auto_error=False, description="A token as `varco tokens issue` prints it.")


async def caller(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> ApiToken:
    """Any valid token. Raises TransientError until the revoked tokens are known.

    Raises 403 if the token is for reading alone, and the route is not.
    """
    token = request.state.token = await _verified(request, credentials.credentials if credentials else "")
    if token.read_only and not _reads(request):
        raise HTTPException(403, "This token is for reading alone.")
    return token


def _reads(request: Request) -> bool:
    extra = getattr(request.scope.get("route"), "openapi_extra", None) or {}
    return request.method in ("GET", "HEAD") or extra == READS


async def verified_token(request: Request) -> ApiToken:
    """As `caller`, outside of a route."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    return await _verified(request, text.strip() if scheme.lower() == "bearer" else "")


async def _verified(request: Request, text: str) -> ApiToken:
    keyring: Keyring = request.app.state.keyring
    if not text:
        raise _unauthorised("A bearer token is required.", "Bearer")
    request.app.state.revocations.check()
    try:
        token = await keyring.verify(text)
    except InvalidToken:
        raise _unauthorised("The token is invalid.", 'Bearer error="invalid_token"') from None  # RFC 6750 3.1
    request.app.state.token_uses.note(token)
    return token


async def _admin(token: Annotated[ApiToken, Depends(caller)]) -> ApiToken:
    if not token.is_admin:
        raise HTTPException(403, "Only an admin's token may do this.")
    return token


async def _full_admin(token: Annotated[ApiToken, Depends(_admin)]) -> ApiToken:
    if token.read_only:
        raise HTTPException(403, "This shows secrets as they are stored: a token for reading alone may not.")
    return token


async def _of_account(account: Annotated[str, Path()], token: Annotated[ApiToken, Depends(caller)]) -> ApiToken:
    visible_account(token, account)
    return token


def visible_account(token: ApiToken, account: str = "") -> str:
    """The account that a query is limited to; empty for all accounts.

    Raises 403 if an account's token names another account.
    """
    if account and not token.covers(account):
        raise HTTPException(403, f"This token is for account {token.scope} alone.")
    return account if token.is_admin else token.scope


def _unauthorised(detail: str, challenge: str) -> HTTPException:
    return HTTPException(401, detail, {"WWW-Authenticate": challenge})


Caller = Annotated[ApiToken, Depends(caller)]
Admin = Annotated[ApiToken, Depends(_admin)]
FullAdmin = Annotated[ApiToken, Depends(_full_admin)]  # for what shows hashes of passwords and sealed secrets
AccountScope = Annotated[ApiToken, Depends(_of_account)]  # for routes with `{account}` in their path
