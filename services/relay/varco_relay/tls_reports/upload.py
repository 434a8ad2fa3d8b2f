"""Posts reports over HTTPS (RFC 8460 5.4). The library for it is imported with this module."""

import asyncio
import ssl
from urllib.parse import urlsplit

import httpcore

from varco_common.base.errors import TransientError
from varco_relay.public_backend import PublicBackend

_SECONDS = 60.0


async def upload_report(url: str, report: bytes, verified: ssl.SSLContext, *, private: bool) -> None:
    """With `private` the server may have a private address. Raises TransientError."""
    host = urlsplit(url).hostname
    try:
        async with (
            asyncio.timeout(_SECONDS),
            httpcore.AsyncConnectionPool(
                ssl_context=verified, network_backend=None if private else PublicBackend()
            ) as http,
        ):
            headers = [("Host", host or ""), ("Content-Type", "application/tlsrpt+gzip")]
            response = await http.request("POST", url, headers=headers, content=report)
    except TimeoutError:
        raise TransientError(f"{host} does not answer") from None
    except (OSError, ValueError, httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
        raise TransientError(f"{host} takes no report: {error}") from None
    if not 200 <= response.status < 300:
        raise TransientError(f"{host} takes no report: HTTP {response.status}")
