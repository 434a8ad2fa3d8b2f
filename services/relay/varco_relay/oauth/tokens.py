"""The tokens of all routes: each is fetched before it ends, and anew when a next hop rejects it."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Protocol

from varco_relay.oauth.credentials import OAuthCredentials
from varco_relay.oauth.errors import TokenUnavailable
from varco_relay.oauth.token_store import KeptToken

EARLY_SECONDS = 300.0  # before its end a token is replaced; one of a short life in its last fifth


class TokenSource(Protocol):
    """A Provider."""

    async def fetch(self, credentials: OAuthCredentials, refresh_token: str) -> KeptToken: ...


class KeepsTokens(Protocol):
    """A TokenStore."""

    async def load(self, key: str) -> KeptToken | None: ...
    async def save(self, key: str, token: KeptToken) -> None: ...


class Tokens:
    """One request at a time for each login, however many connections wait for its token."""

    def __init__(self, open_source: Callable[[], TokenSource], store: KeepsTokens) -> None:
        """`open_source` is called when the first token is asked for: it imports much."""
        self._open_source, self._store = open_source, store
        self._source: TokenSource | None = None
        self._tokens: dict[str, KeptToken | None] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._not_before: dict[str, float] = {}

    async def current(self, credentials: OAuthCredentials) -> str:
        """A token that is good for a while. Raises TokenRefused and TokenUnavailable."""
        key = credentials.key
        async with self._locks[key]:
            token = await self._kept(key)
            if token and not _ends_soon(token, time.time()):
                return token.access_token
            try:
                return await self._fetch(credentials, token)
            except TokenUnavailable:
                if token and token.ends > time.time():  # the provider has time until then
                    return token.access_token
                raise

    async def renewed(self, credentials: OAuthCredentials, rejected: str) -> str:
        """Another token than the one that a next hop rejected. Raises as `current`."""
        key = credentials.key
        async with self._locks[key]:
            token = await self._kept(key)
            if token and token.access_token != rejected:  # another connection was first
                return token.access_token
            return await self._fetch(credentials, token)

    async def _kept(self, key: str) -> KeptToken | None:
        if key not in self._tokens:
            self._tokens[key] = await self._store.load(key)
        return self._tokens[key]

    async def _fetch(self, credentials: OAuthCredentials, before: KeptToken | None) -> str:
        key = credentials.key
        if (wait := self._not_before.get(key, 0.0) - time.monotonic()) > 0:
            raise TokenUnavailable(f"the token endpoint asked to wait: {wait:.0f} s are left", wait)
        self._source = self._source or self._open_source()
        try:
            token = await self._source.fetch(credentials, before.refresh_token if before else "")
        except TokenUnavailable as error:
            self._not_before[key] = time.monotonic() + error.retry_after
            raise
        self._tokens[key] = token
        await self._store.save(key, token)
        return token.access_token


def _ends_soon(token: KeptToken, now: float) -> bool:
    return now >= token.ends - min(EARLY_SECONDS, (token.ends - token.begins) / 5)
