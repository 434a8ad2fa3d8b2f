"""Asks a provider for a token, in the ways that its client may be known by.

Only relays with a route that uses OAuth import it, with the libraries that it takes.
"""

import ssl
from datetime import UTC, datetime, timedelta

from varco_common.base import log
from varco_relay.oauth.credentials import OAuthCredentials
from varco_relay.oauth.errors import TokenRefused
from varco_relay.oauth.token_endpoint import TokenEndpoints
from varco_relay.oauth.token_request import token_requests, uses_clock
from varco_relay.oauth.token_response import TokenResponse, read_token
from varco_relay.oauth.token_store import KeptToken

MAX_SKEW = timedelta(seconds=60)  # an assertion is good for longer than two clocks should differ

_log = log.get(__name__)


class Provider:
    """`verified` has the certificates that are trusted.

    With `private_routes` the URLs that accounts choose may lead to private addresses.
    """

    def __init__(self, verified: ssl.SSLContext, *, private_routes: bool) -> None:
        self._endpoints = TokenEndpoints(verified=verified, private=private_routes)

    async def fetch(self, credentials: OAuthCredentials, refresh_token: str) -> KeptToken:
        """`refresh_token` is the newest one, if the provider has replaced that of the route.

        Raises TokenRefused and TokenUnavailable.
        """
        configured = credentials.secrets.refresh_token
        if refresh_token and refresh_token != configured:
            try:
                return await self._by_either_clock(credentials, refresh_token)
            except TokenRefused:
                _log.warning("the refresh token that the provider gave is refused: the route's own is used")
        return await self._by_either_clock(credentials, configured)

    async def _by_either_clock(self, credentials: OAuthCredentials, refresh_token: str) -> KeptToken:
        """An assertion says until when it is good: if clocks differ, the provider's counts."""
        try:
            return await self._ask(credentials, refresh_token, timedelta())
        except _RefusedAt as refused:
            skew = refused.date - datetime.now(UTC) if refused.date else timedelta()
            if abs(skew) < MAX_SKEW or not uses_clock(credentials):
                raise TokenRefused(refused.code, refused.description) from None
            _log.warning("this gate's clock is wrong", behind_seconds=round(skew.total_seconds()))
        try:
            return await self._ask(credentials, refresh_token, skew)
        except _RefusedAt as refused:
            words = f"{refused.description} (this gate's clock is {skew.total_seconds():+.0f} s off the provider's)"
            raise TokenRefused(refused.code, words) from None

    async def _ask(self, credentials: OAuthCredentials, refresh_token: str, skew: timedelta) -> KeptToken:
        begin = datetime.now(UTC)
        refused = _RefusedAt("invalid_client", "no way to ask", None)
        for request in token_requests(credentials, begin + skew, refresh_token):
            response = await self._endpoints.ask(request, public_only=credentials.public_only)
            try:
                return _kept(response, begin, refresh_token)
            except TokenRefused as error:
                refused = _RefusedAt(error.code, error.description, response.date)
            if refused.code not in ("invalid_client", "invalid_request"):
                break
        raise refused


class _RefusedAt(TokenRefused):
    """A refusal, and the provider's time."""

    def __init__(self, code: str, description: str, date: datetime | None) -> None:
        super().__init__(code, description)
        self.date = date


def _kept(response: TokenResponse, begin: datetime, refresh_token: str) -> KeptToken:
    """Its end counts from before the request, by this gate's clock: the provider's may differ."""
    granted = read_token(response, begin)
    return KeptToken(
        access_token=granted.access_token,
        begins=begin.timestamp(),
        ends=begin.timestamp() + granted.seconds,
        refresh_token=granted.refresh_token or refresh_token,
    )
