"""Fetches the policy file of a domain over HTTPS (RFC 8461 3.3)."""

import asyncio
import socket
import ssl
from http.client import HTTPException, HTTPResponse, HTTPSConnection

from varco_common.base.errors import TransientError
from varco_common.dns import Found, Resolver
from varco_relay.smtp.private_addresses import is_private

_SECONDS = 30.0  # RFC 8461 3.3: a minute at most
_MAX_BYTES = 64 * 1024  # RFC 8461 3.3


async def fetch_policy(domain: str, resolver: Resolver, context: ssl.SSLContext, *, port: int, private: bool) -> str:
    """The text of the file. With `private` its server may have a private address.

    Raises TransientError.
    """
    host = f"mta-sts.{domain}"
    addresses: list[str] = []
    for question in (resolver.a, resolver.aaaa):
        answer = await question(host)
        addresses += answer.records if isinstance(answer, Found) else ()
    allowed = [address for address in addresses if private or not is_private(address)]
    if not allowed:
        raise TransientError(f"{host} has no public address")
    try:
        return await asyncio.to_thread(_get, host, allowed[0], port, context)
    except (OSError, HTTPException, ValueError) as error:
        raise TransientError(f"{host}: {error}") from error


def _get(host: str, address: str, port: int, context: ssl.SSLContext) -> str:
    """Connects to the address that was checked: a second look-up may give another."""
    connection = HTTPSConnection(host, port, timeout=_SECONDS, context=context)
    plain = socket.create_connection((address, port), _SECONDS)
    try:
        connection.sock = context.wrap_socket(plain, server_hostname=host)
        connection.request("GET", "/.well-known/mta-sts.txt")
        return _text(connection.getresponse())
    finally:
        connection.close()
        plain.close()


def _text(response: HTTPResponse) -> str:
    """RFC 8461 3.3: redirects are not followed."""
    if response.status != 200:
        raise ValueError(f"HTTP {response.status}")
    if response.getheader("Content-Type", "").split(";")[0].strip().lower() != "text/plain":
        raise ValueError("the policy is not text/plain")
    content = response.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise ValueError("the policy is longer than 64 KB")
    return content.decode("utf-8")
