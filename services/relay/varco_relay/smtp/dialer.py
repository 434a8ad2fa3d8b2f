"""Opens connections: greeting, EHLO, TLS, login."""

import asyncio
import ssl
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from dataclasses import dataclass, field

from varco_common.events import TlsUse
from varco_relay.smtp.client import ConnectionLost, SmtpClient, Timeouts
from varco_relay.smtp.smtp_reply import SmtpReply
from varco_relay.smtp.target import SmtpTarget
from varco_relay.smtp.transaction import Capabilities, parse_capabilities


class RouteDown(Exception):
    """No connection can carry mail; the text says why. No mail is at fault."""


class _TlsFailed(Exception):
    """The handshake failed."""


def _unverified() -> ssl.SSLContext:
    """RFC 7435: some encryption is better than none, even with an unknown next hop."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@dataclass(frozen=True, kw_only=True)
class Dialer:
    """How this gate connects: its EHLO name, its timeouts, and the certificates that it trusts."""

    name: str
    timeouts: Timeouts = field(default_factory=Timeouts)
    verified: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    unverified: ssl.SSLContext = field(default_factory=_unverified)

    async def dial(self, target: SmtpTarget) -> SmtpClient:
        """A connection that is ready for MAIL FROM. Raises RouteDown."""
        encrypt = target.tls is not TlsUse.NONE
        try:
            return await self._dial(target, encrypt=encrypt)
        except _TlsFailed as error:
            if target.tls is TlsUse.REQUIRED:
                raise RouteDown(str(error)) from error
        return await self._dial(target, encrypt=False)

    async def _dial(self, target: SmtpTarget, *, encrypt: bool) -> SmtpClient:
        client = await self._connect(target, encrypt=encrypt)
        try:
            greeting = await client.reply(self.timeouts.greeting)
            if greeting.code != 220:
                raise RouteDown(f"the next hop greets with {greeting.line}")  # noqa: TRY301 - one way out
            await self._hello(client)
            if encrypt and not client.tls:
                await self._start_tls(client, target)
            if target.login:
                await _login(client, target)
        except BaseException as error:
            client.abort("never used")
            if isinstance(error, ConnectionLost):
                raise RouteDown(str(error)) from error
            raise
        return client

    async def _connect(self, target: SmtpTarget, *, encrypt: bool) -> SmtpClient:
        seconds = self.timeouts.connect
        implicit = encrypt and target.implicit_tls
        try:
            async with asyncio.timeout(seconds):
                _, client = await asyncio.get_running_loop().create_connection(
                    lambda: SmtpClient(self.timeouts),
                    target.host,
                    target.port,
                    ssl=self._context(target) if implicit else None,
                    server_hostname=target.host if implicit else None,
                    ssl_handshake_timeout=seconds if implicit else None,
                )
        except ssl.SSLError as error:
            raise _TlsFailed(f"TLS: {error}") from error
        except (OSError, TimeoutError) as error:  # the errors of getaddrinfo are OSErrors as well
            raise RouteDown(f"can't connect to {target.name}: {error or 'timed out'}") from error
        return client

    async def _hello(self, client: SmtpClient) -> None:
        """EHLO, or HELO for a next hop that does not know EHLO (RFC 5321 3.2)."""
        reply = await client.command(f"EHLO {self.name}\r\n".encode())
        if reply.positive:
            client.capabilities = parse_capabilities(reply)
            return
        if 500 <= reply.code < 600:
            reply = await client.command(f"HELO {self.name}\r\n".encode())
            if reply.positive:
                client.capabilities = Capabilities()
                return
        raise RouteDown(f"the next hop refuses EHLO and HELO: {reply.line}")

    async def _start_tls(self, client: SmtpClient, target: SmtpTarget) -> None:
        if not client.capabilities.starttls:
            if target.tls is TlsUse.REQUIRED:
                raise RouteDown("the route requires TLS, and the next hop doesn't offer STARTTLS")
            return
        reply = await client.command(b"STARTTLS\r\n")
        try:
            if reply.code != 220:
                raise ConnectionLost(f"STARTTLS was answered {reply.line}")  # noqa: TRY301 - one way out
            await client.start_tls(self._context(target), target.host)
        except ConnectionLost as error:
            raise _TlsFailed(str(error)) from error
        await self._hello(client)  # RFC 3207 4.2: what was said before the handshake is forgotten

    def _context(self, target: SmtpTarget) -> ssl.SSLContext:
        return self.verified if target.tls is TlsUse.REQUIRED else self.unverified


async def _login(client: SmtpClient, target: SmtpTarget) -> None:
    """AUTH PLAIN (RFC 4616), else LOGIN.

    The password travels in clear only if the route says `tls: none`.
    """
    if not client.tls and target.tls is not TlsUse.NONE:
        raise RouteDown("the next hop offers no TLS that works, and without it the password isn't sent")
    if "PLAIN" in client.capabilities.auth:
        secret = b64encode(f"\0{target.login}\0{target.password}".encode())
        reply = await client.command(b"AUTH PLAIN " + secret + b"\r\n")
    elif "LOGIN" in client.capabilities.auth:
        reply = await client.command(b"AUTH LOGIN\r\n")
        for word in (target.login, target.password):
            if reply.code == 334:
                reply = await client.command(b64encode(word.encode()) + b"\r\n")
    else:
        raise RouteDown("the route has a login, and the next hop offers neither AUTH PLAIN nor LOGIN")
    if reply.code != 235:  # RFC 4954 6
        raise RouteDown(f"the next hop refuses the login {target.login}: {_readable(reply)}")


def _readable(reply: SmtpReply) -> str:
    if reply.code != 334:
        return reply.line
    try:
        return f"334 {b64decode(reply.text).decode('utf-8', 'replace')}"
    except NotBase64:
        return reply.line
