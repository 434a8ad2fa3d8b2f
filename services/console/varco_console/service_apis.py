"""Calls the services' HTTP APIs with the rights of the person who is signed in."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote

import msgspec
from cachetools import TTLCache

from varco_common.base.errors import VarcoError
from varco_common.bus import Bus
from varco_common.runtime.person_tokens import LIFE_SECONDS, PersonRights, token_of
from varco_console.model import Person

if TYPE_CHECKING:
    import httpx

SECONDS = 20.0
REPLAY_SECONDS = 150.0  # a replay takes its turn, and at most 120 seconds then
CHUNK_SECONDS = 60.0  # for the next part of a download from a service
CONNECTIONS, STREAMS = 100, 40  # streams have connections of their own: slow browsers hold up no page
PAGE_SECONDS = 0.1  # a page of a long history is shown with what was found by then
_DOT_SEGMENTS = (".", "..")
RENEWED_SECONDS = 60.0  # before its end a token is replaced


class ApiFailure(VarcoError):
    """A service refused or is away. `status` is that of HTTP; 503 if it can't be reached.

    `problem` is the service's answer (RFC 9457), if it gave one.
    """

    def __init__(self, service: str, status: int, detail: str, problem: Mapping[str, Any] | None = None) -> None:
        super().__init__(detail)
        self.service, self.status, self.problem = service, status, problem or {}


class ServiceApis:
    """`urls` has the base URL of each service's API. `streams` is for answers read as they come."""

    def __init__(
        self, bus: Bus, urls: Mapping[str, str], client: "httpx.AsyncClient", streams: "httpx.AsyncClient"
    ) -> None:
        self.urls, self.client, self._bus, self._streams = urls, client, bus, streams
        self._tokens: TTLCache[PersonRights, str] = TTLCache(10_000, LIFE_SECONDS - RENEWED_SECONDS, time.monotonic)

    @classmethod
    @asynccontextmanager
    async def open(cls, bus: Bus, urls: Mapping[str, str]) -> AsyncIterator[Self]:
        import httpx  # noqa: PLC0415 - other services that are forked from the same process do without

        def client_of(connections: int) -> httpx.AsyncClient:
            limits = httpx.Limits(max_connections=connections, max_keepalive_connections=20)
            return httpx.AsyncClient(timeout=SECONDS, limits=limits, trust_env=False)

        async with client_of(CONNECTIONS) as client, client_of(STREAMS) as streams:
            yield cls(bus, urls, client, streams)

    def of(self, person: Person) -> "PersonApi":
        rights = PersonRights(person=person.name, role=person.role, account=person.account, since=person.added_at)
        return PersonApi(self, rights)

    async def token(self, rights: PersonRights) -> str:
        """A token that is valid for a minute or more. Raises TransientError, RightsRefused."""
        if not (token := self._tokens.get(rights)):
            token, _ = await token_of(self._bus, rights)
            self._tokens[rights] = token
        return token

    async def call(self, service: str, method: str, path: str, token: str = "", **options: Any) -> "httpx.Response":
        """Raises ApiFailure if the service can't be reached."""
        import httpx  # noqa: PLC0415

        url = self._url(service, path)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= options.pop("headers", None) or {}
        try:
            with suppress(*[httpx.RemoteProtocolError] if method == "GET" else []):  # it closed a kept connection
                return await self.client.request(method, url, headers=headers, **options)
            return await self.client.request(method, url, headers=headers, **options)
        except httpx.HTTPError as error:
            raise ApiFailure(service, 503, f"{service} does not answer ({type(error).__name__})") from None

    def _url(self, service: str, path: str) -> str:
        """Raises ApiFailure for a service that isn't there, and for a path that is another one.

        `quote` leaves dots alone, and httpx takes `a/../b` for `b` (RFC 3986 5.2.4).
        """
        if service not in self.urls:
            raise ApiFailure(service, 503, f"{service} is not installed here")
        if any(unquote(part) in _DOT_SEGMENTS for part in path.partition("?")[0].split("/")):
            raise ApiFailure(service, 404, "there is nothing of this name")
        return self.urls[service] + path

    @asynccontextmanager
    async def stream(
        self, service: str, method: str, path: str, token: str, *, read: float | None = None, **options: Any
    ) -> AsyncIterator["httpx.Response"]:
        """An answer that is read as it comes. `read`: seconds for each part; None: no bound."""
        import httpx  # noqa: PLC0415

        url, headers = self._url(service, path), {"Authorization": f"Bearer {token}"}
        timeout = httpx.Timeout(SECONDS, read=read)
        try:
            async with self._streams.stream(method, url, headers=headers, timeout=timeout, **options) as answer:
                if not answer.is_success:
                    await answer.aread()
                    raise _failure(service, answer)
                yield answer
        except httpx.HTTPError as error:
            raise ApiFailure(service, 503, f"{service} does not answer ({type(error).__name__})") from None


class PersonApi:
    """The APIs as this person may use them. Raises ApiFailure, TransientError, RightsRefused."""

    def __init__(self, apis: ServiceApis, rights: PersonRights) -> None:
        self._apis, self._rights = apis, rights

    @property
    def services(self) -> list[str]:
        return sorted(self._apis.urls)

    async def accounts(self) -> list[str]:
        """The accounts that a page lets somebody choose from; empty for people of one account."""
        if not self._rights.role.sees_all:
            return []
        return [entry["account"] for entry in await self.get("policy", "/accounts")]

    async def get(self, service: str, path: str, **params: Any) -> Any:
        """The decoded answer. Parameters that are None or empty are left out."""
        return _decoded(await self._send(service, "GET", path, params=_given(params)))

    async def text(self, service: str, path: str, **params: Any) -> str:
        """An answer that is text."""
        return (await self._send(service, "GET", path, params=_given(params))).text

    async def replay(self, service: str, path: str) -> Any:
        """As `get`, for an answer for which the service reads events again."""
        return _decoded(await self._send(service, "GET", path, timeout=REPLAY_SECONDS))

    async def change(
        self, service: str, method: str, path: str, *, reason: str = "", body: object = None, **options: Any
    ) -> Any:
        """Sends a command; the service's event names the person."""
        params = _given({"reason": reason, **options.pop("params", {})})
        return _decoded(await self._send(service, method, path, params=params, json=body, **options))

    async def lines(self, service: str, path: str, body: object) -> AsyncIterator[Any]:
        """The decoded lines of an answer to a POST, as they arrive. Raises ApiFailure."""
        token = await self._apis.token(self._rights)
        async with self._apis.stream(service, "POST", path, token, json=body) as answer:
            async for line in answer.aiter_lines():
                yield msgspec.json.decode(line)

    async def chunks(self, service: str, path: str) -> AsyncIterator[bytes]:
        """An answer of any size, as it arrives. Raises ApiFailure."""
        token = await self._apis.token(self._rights)
        async with self._apis.stream(service, "GET", path, token, read=CHUNK_SECONDS) as answer:
            async for chunk in answer.aiter_bytes():
                yield chunk

    async def probe(self, service: str) -> Any:
        """What /readyz says, whatever its status."""
        return (await self._apis.call(service, "GET", "/readyz")).json()

    async def metrics(self, service: str) -> str:
        """The text of /metrics, which needs no token."""
        return (await self._apis.call(service, "GET", "/metrics")).text

    async def _send(self, service: str, method: str, path: str, **options: Any) -> "httpx.Response":
        token = await self._apis.token(self._rights)
        answer = await self._apis.call(service, method, path, token, **options)
        if answer.is_success:
            return answer
        raise _failure(service, answer)


def _decoded(answer: "httpx.Response") -> Any:
    return answer.json() if answer.content else None


def _given(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value not in (None, "")}


def _failure(service: str, answer: "httpx.Response") -> ApiFailure:
    try:
        problem = answer.json()
    except ValueError:
        return ApiFailure(service, answer.status_code, answer.reason_phrase)
    detail = str(problem.get("detail") or problem.get("title") or answer.status_code)
    return ApiFailure(service, answer.status_code, detail, problem)
