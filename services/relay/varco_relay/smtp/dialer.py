"""Opens connections: greeting, EHLO, TLS, login."""

import asyncio
import socket
import ssl
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from dataclasses import dataclass, field

from varco_common.events import TlsUse
from varco_relay.smtp.client import ConnectionLost, SmtpClient, Timeouts
from varco_relay.smtp.private_addresses import is_private
from varco_relay.smtp.smtp_reply import SmtpReply
from varco_relay.smtp.target import SmtpTarget
from varco_relay.smtp.transaction import Capabilities, parse_capabilities

# RFC 4954 6, RFC 5321 4.2.2: the next hop does not take this mechanism, whatever the password is
_MECHANISM_REFUSED = (500, 501, 502, 503, 504, 534)


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
    """How this gate connects: its EHLO name, its timeouts, and the certificates that it trusts.

    With `private_routes` the routes that accounts set may lead to private addresses.
    """

    name: str
    private_routes: bool = False
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
        try:
            async with asyncio.timeout(self.timeouts.connect):
                if not target.public_only or self.private_routes:
                    return await self._open(target, target.host, encrypt=encrypt)
                return await self._open_public(target, encrypt=encrypt)
        except ssl.SSLError as error:
            raise _TlsFailed(f"TLS: {error}") from error
        # the errors of getaddrinfo are OSErrors as well; a name that IDNA refuses is a ValueError
        except (OSError, TimeoutError, ValueError) as error:
            raise RouteDown(f"can't connect to {target.name}: {error or 'timed out'}") from error

    async def _open(self, target: SmtpTarget, address: str, *, encrypt: bool) -> SmtpClient:
        implicit = encrypt and target.implicit_tls
        _, client = await asyncio.get_running_loop().create_connection(
            lambda: SmtpClient(self.timeouts),
            address,
            target.port,
            ssl=self._context(target) if implicit else None,
            server_hostname=target.host if implicit else None,
            ssl_handshake_timeout=self.timeouts.connect if implicit else None,
        )
        return client

    async def _open_public(self, target: SmtpTarget, *, encrypt: bool) -> SmtpClient:
        """Connects to the addresses that were checked: a second look-up may give others."""
        found = await asyncio.get_running_loop().getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
        addresses = dict.fromkeys(str(address[0]) for *_, address in found)
        public = [address for address in addresses if not is_private(address)]
        if not public:
            raise OSError("it has private addresses only, and those take an operator's leave")
        for address in public[:-1]:
            try:
                return await self._open(target, address, encrypt=encrypt)
            except ssl.SSLError:
                raise
            except OSError:
                continue
        return await self._open(target, public[-1], encrypt=encrypt)

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
    """AUTH PLAIN (RFC 4616), else LOGIN, also where PLAIN is offered and then not taken.

    A password that the next hop refuses is not sent again. It travels in clear only if the route
    says `tls: none`.
    """
    if not client.tls and target.tls is not TlsUse.NONE:
        raise RouteDown("the next hop offers no TLS that works, and without it the password isn't sent")
    reply: SmtpReply | None = None
    for mechanism, attempt in (("PLAIN", _plain), ("LOGIN", _in_two_steps)):
        if mechanism in client.capabilities.auth and (reply is None or reply.code in _MECHANISM_REFUSED):
            reply = await attempt(client, target)
    if reply is None:
        raise RouteDown("the route has a login, and the next hop offers neither AUTH PLAIN nor LOGIN")
    if reply.code != 235:  # RFC 4954 6
        raise RouteDown(f"the next hop refuses the login {target.login}: {_readable(reply)}")


async def _plain(client: SmtpClient, target: SmtpTarget) -> SmtpReply:
    secret = b64encode(f"\0{target.login}\0{target.password}".encode())
    return await client.command(b"AUTH PLAIN " + secret + b"\r\n")


async def _in_two_steps(client: SmtpClient, target: SmtpTarget) -> SmtpReply:
    """AUTH LOGIN: the server asks for the login, then for the password."""
    reply = await client.command(b"AUTH LOGIN\r\n")
    for word in (target.login, target.password):
        if reply.code == 334:
            reply = await client.command(b64encode(word.encode()) + b"\r\n")
    return reply


def _readable(reply: SmtpReply) -> str:
    if reply.code != 334:
        return reply.line
    try:
        return f"334 {b64decode(reply.text).decode('utf-8', 'replace')}"
    except NotBase64:
        return reply.line
