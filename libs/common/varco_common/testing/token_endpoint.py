"""A token endpoint for tests and demos: a real HTTP server that answers as providers do."""

import asyncio
import base64
import contextlib
import json
import secrets
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

CUT = "CUT"  # as a scripted answer: closes the connection in the middle of the body
HANG = "HANG"  # never answers

# What Microsoft and Google say
WRONG_CLIENT = (
    "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client secret "
    "value, not the client secret ID, for a secret added to app 'gate'. Trace ID: 0a\r\nTimestamp: 2026-11-29"
)
EXPIRED = "AADSTS7000222: The provided client secret keys for app 'gate' are expired."
BAD_SCOPE = "AADSTS70011: The provided value for the input parameter 'scope' is not valid."
BAD_ASSERTION_TIME = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."


class TokenError(NamedTuple):
    """An error of RFC 6749 5.2, or another answer of HTTP. `retry_after` goes into its header."""

    status: int
    error: str = ""
    description: str = ""
    retry_after: str = ""


@dataclass(kw_only=True)
class TokenEndpoint:
    """`clients` have their secret by id; those in `expired` are too old.

    `skew` is by how many seconds its clock is ahead. `key` verifies assertions, whose `iat` and
    `exp` must fit that clock. `script` has answers to give before the usual ones.
    """

    clients: dict[str, str] = field(default_factory=lambda: {"gate": "client-secret"})
    expired: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()  # empty: any
    basic: bool = False  # takes HTTP Basic alone, not secrets in the form
    life: float | None = 3600
    skew: float = 0.0
    key: rsa.RSAPublicKey | None = None
    rotates: bool = False  # a refresh token is good once
    refresh_tokens: set[str] = field(default_factory=set)
    tokens: list[str] = field(default_factory=list)
    revoked: set[str] = field(default_factory=set)
    requests: list[dict[str, str]] = field(default_factory=list)
    claims: list[dict[str, Any]] = field(default_factory=list)
    script: deque[TokenError | str] = field(default_factory=deque)
    context: ssl.SSLContext | None = None
    port: int = 0

    @property
    def url(self) -> str:
        return f"http{'s' if self.context else ''}://127.0.0.1:{self.port}/token"

    def takes(self, login: str, token: str) -> bool:  # noqa: ARG002 - any user's
        """Whether a next hop that trusts this provider takes the token."""
        return token in self.tokens and token not in self.revoked

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers one request, and closes."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
            form = dict(parse_qsl((await reader.readexactly(int(headers["content-length"]))).decode()))
            if basic := head.partition("uthorization: Basic ")[2].split("\r\n")[0]:
                form["client_id"], form["client_secret"] = base64.b64decode(basic).decode().split(":", 1)
                form["basic"] = "yes"
            self.requests.append(form)
            await self._answer(writer, form)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, form: dict[str, str]) -> None:
        answer = self.script.popleft() if self.script else self._usual(form)
        if answer == HANG:
            await asyncio.Event().wait()
        status, more = 200, ""
        if isinstance(answer, TokenError):
            status = answer.status
            more = f"Retry-After: {answer.retry_after}\r\n" if answer.retry_after else ""
            said = {"error": answer.error, "error_description": answer.description}
            answer = json.dumps(said) if answer.error else "<html>go away</html>"
        cut = answer == CUT
        body = (json.dumps(self._granted(form)) if cut else answer).encode()
        date = formatdate(time.time() + self.skew, usegmt=True)
        head = f"HTTP/1.1 {status} X\r\nDate: {date}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{more}\r\n"
        writer.write(head.encode() + (body[: len(body) // 2] if cut else body))
        await writer.drain()

    def _usual(self, form: dict[str, str]) -> TokenError | str:
        if error := self._objection(form):
            return error
        return json.dumps(self._granted(form))

    def _objection(self, form: dict[str, str]) -> TokenError | None:
        if error := self._client_objection(form):
            return error
        if form.get("client_id") in self.expired:
            return TokenError(401, "invalid_client", EXPIRED)
        if self.scopes and form.get("scope", self.scopes[0]) not in self.scopes:
            return TokenError(400, "invalid_scope", BAD_SCOPE)
        if form["grant_type"] == "refresh_token" and form["refresh_token"] not in self.refresh_tokens:
            return TokenError(400, "invalid_grant", "the refresh token is unknown, or was used")
        return None

    def _client_objection(self, form: dict[str, str]) -> TokenError | None:
        if assertion := form.get("client_assertion") or form.get("assertion"):
            return self._assertion_objection(assertion)
        if self.basic and "basic" not in form:
            return TokenError(401, "invalid_client", "no HTTP Basic")
        if form.get("client_secret", "") != self.clients.get(form.get("client_id", "")):
            return TokenError(401, "invalid_client", WRONG_CLIENT)
        return None

    def _assertion_objection(self, assertion: str) -> TokenError | None:
        signed, _, signature = assertion.rpartition(".")
        header, claims = (json.loads(_decoded(part)) for part in signed.split("."))
        self.claims.append({**header, **claims})
        assert self.key
        try:
            self.key.verify(_decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return TokenError(400, "invalid_grant", "Invalid JWT Signature.")
        now = time.time() + self.skew
        if not claims["iat"] <= now < claims["exp"] or claims["exp"] - claims["iat"] > 3600:
            return TokenError(400, "invalid_grant", BAD_ASSERTION_TIME)
        return None

    def _granted(self, form: dict[str, str]) -> dict[str, Any]:
        token = f"token-{len(self.tokens)}-{secrets.token_urlsafe(400)}"
        self.tokens.append(token)
        answer = {"token_type": "Bearer", "access_token": token}
        if self.rotates and form.get("refresh_token"):
            self.refresh_tokens = {f"refresh-{len(self.tokens)}"}
            answer["refresh_token"] = next(iter(self.refresh_tokens))
        return answer if self.life is None else {**answer, "expires_in": self.life}


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


@contextlib.asynccontextmanager
async def token_endpoint(**fields: Any) -> AsyncIterator[TokenEndpoint]:
    """An endpoint on an ephemeral port of 127.0.0.1, with the fields of TokenEndpoint."""
    endpoint = TokenEndpoint(**fields)
    server = await asyncio.start_server(endpoint.serve, "127.0.0.1", 0, ssl=endpoint.context)
    endpoint.port = server.sockets[0].getsockname()[1]
    try:
        yield endpoint
    finally:
        server.close()
