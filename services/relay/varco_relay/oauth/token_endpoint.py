"""Posts to a token endpoint over HTTP. The library for it is imported with this module."""

import asyncio
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpcore

from varco_relay.oauth.errors import TokenUnavailable
from varco_relay.oauth.token_request import TokenRequest
from varco_relay.oauth.token_response import TokenResponse
from varco_relay.public_backend import PublicBackend

TIMEOUT_SECONDS = 30.0  # for all of it: mail waits meanwhile
MAX_ANSWER = 64 * 1024  # bytes; tokens have a few KB


@dataclass(frozen=True, kw_only=True)
class TokenEndpoints:
    """How this gate asks: the certificates that it trusts, and whether private addresses are open.

    `private` holds for URLs that accounts chose.
    """

    verified: ssl.SSLContext
    private: bool = False

    async def ask(self, request: TokenRequest, *, public_only: bool) -> TokenResponse:
        """One request; redirections are not followed. Raises TokenUnavailable."""
        backend = PublicBackend() if public_only and not self.private else None
        host = urlsplit(request.url).hostname
        try:
            async with (
                asyncio.timeout(TIMEOUT_SECONDS),
                httpcore.AsyncConnectionPool(ssl_context=self.verified, network_backend=backend) as http,
                http.stream(
                    "POST", request.url, headers=list(request.headers.items()), content=request.body.encode()
                ) as answer,
            ):
                return await _read(answer)
        except TimeoutError:
            raise TokenUnavailable(f"the token endpoint {host} does not answer") from None
        except (OSError, ValueError, httpcore.NetworkError, httpcore.TimeoutException) as error:
            raise TokenUnavailable(f"can't connect to the token endpoint {host}: {error}") from None
        except (httpcore.ProtocolError, httpcore.UnsupportedProtocol) as error:
            raise TokenUnavailable(f"the answer of the token endpoint {host} was cut off: {error}") from None


async def _read(answer: httpcore.Response) -> TokenResponse:
    body = bytearray()
    async for chunk in answer.aiter_stream():
        body += chunk
        if len(body) > MAX_ANSWER:
            raise TokenUnavailable(f"the token endpoint's answer is larger than {MAX_ANSWER} bytes")
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
    return TokenResponse(status=answer.status, headers=headers, body=bytes(body))
