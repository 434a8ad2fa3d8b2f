"""From no connection to one that mail can be sent over: greeting, TLS, login."""

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
    """No connection over which mail could be sent; the text says why. It's no mail's fault."""


class _NoTls(Exception):
    """The handshake failed."""


def _unverified() -> ssl.SSLContext:
    """RFC 7435: some encryption is better than none; whom it is with isn't known either way."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@dataclass(frozen=True, kw_only=True)
class Dialer:
    """How this gate presents itself: the EHLO name, its patience, and whose certificates it trusts."""

    name: str
    timeouts: Timeouts = field(default_factory=Timeouts)
    verified: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    unverified: ssl.SSLContext = field(default_factory=_unverified)

    def context(self, target: SmtpTarget) -> ssl.SSLContext:
        return self.verified if target.tls is TlsUse.REQUIRED else self.unverified


async def dial(target: SmtpTarget, greeter: Dialer) -> SmtpClient:
    """A connection that is ready for MAIL FROM. Raises RouteDown."""
    encrypt = target.tls is not TlsUse.NONE
    try:
        return await _dial(target, greeter, encrypt=encrypt)
    except _NoTls as error:
        if target.tls is TlsUse.REQUIRED:
            raise RouteDown(str(error)) from error
    try:
        return await _dial(target, greeter, encrypt=False)
    except _NoTls as error:
        raise AssertionError("TLS was not asked for") from error


async def _dial(target: SmtpTarget, greeter: Dialer, *, encrypt: bool) -> SmtpClient:
    connection = await _connect(target, greeter, encrypt=encrypt)
    try:
        await _greet(connection, greeter)
        if encrypt and not connection.tls:
            await _encrypt(connection, target, greeter)
        if target.login:
            await _login(connection, target)
    except BaseException as error:
        connection.abort("never used")
        if isinstance(error, ConnectionLost):
            raise RouteDown(str(error)) from error
        raise
    return connection


async def _connect(target: SmtpTarget, greeter: Dialer, *, encrypt: bool) -> SmtpClient:
    seconds = greeter.timeouts.connect
    implicit = encrypt and target.implicit_tls
    try:
        async with asyncio.timeout(seconds):
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: SmtpClient(greeter.timeouts),
                target.host,
                target.port,
                ssl=greeter.context(target) if implicit else None,
                server_hostname=target.host if implicit else None,
                ssl_handshake_timeout=seconds if implicit else None,
            )
    except ssl.SSLError as error:
        raise _NoTls(f"TLS: {error}") from error
    except (OSError, TimeoutError) as error:  # getaddrinfo's errors are OSErrors as well
        raise RouteDown(f"can't connect to {target.name}: {error or 'timed out'}") from error
    return connection


async def _greet(connection: SmtpClient, greeter: Dialer) -> None:
    greeting = await connection.reply(greeter.timeouts.greeting)
    if greeting.code != 220:
        raise RouteDown(f"the next hop greets with {greeting.line}")
    await _hello(connection, greeter)


async def _hello(connection: SmtpClient, greeter: Dialer) -> None:
    """EHLO, or HELO where the next hop is that old (RFC 5321 3.2)."""
    said = await connection.ask(f"EHLO {greeter.name}\r\n".encode(), greeter.timeouts.command)
    if said.positive:
        connection.able = parse_capabilities(said)
        return
    if 500 <= said.code < 600:
        said = await connection.ask(f"HELO {greeter.name}\r\n".encode(), greeter.timeouts.command)
        if said.positive:
            connection.able = Capabilities()
            return
    raise RouteDown(f"the next hop refuses EHLO and HELO: {said.line}")


async def _encrypt(connection: SmtpClient, target: SmtpTarget, greeter: Dialer) -> None:
    if not connection.able.starttls:
        if target.tls is TlsUse.REQUIRED:
            raise RouteDown("the route requires TLS, and the next hop doesn't offer STARTTLS")
        return
    said = await connection.ask(b"STARTTLS\r\n", greeter.timeouts.command)
    try:
        if said.code != 220:
            raise ConnectionLost(f"STARTTLS was answered {said.line}")  # noqa: TRY301 - one way out
        await connection.start_tls(greeter.context(target), target.host)
    except ConnectionLost as error:
        connection.abort("no TLS")
        raise _NoTls(str(error)) from error
    await _hello(connection, greeter)  # RFC 3207 4.2: what was said before the handshake is forgotten


async def _login(connection: SmtpClient, target: SmtpTarget) -> None:
    """AUTH PLAIN (RFC 4616), else LOGIN; the password never travels in clear unless the route says `tls: none`."""
    if not connection.tls and target.tls is not TlsUse.NONE:
        raise RouteDown("the next hop offers no TLS that works, and without it the password isn't sent")
    able, seconds = connection.able.auth, connection.timeouts.command
    if "PLAIN" in able:
        secret = b64encode(f"\0{target.login}\0{target.password}".encode())
        said = await connection.ask(b"AUTH PLAIN " + secret + b"\r\n", seconds)
    elif "LOGIN" in able:
        said = await connection.ask(b"AUTH LOGIN\r\n", seconds)
        for word in (target.login, target.password):
            if said.code == 334:
                said = await connection.ask(b64encode(word.encode()) + b"\r\n", seconds)
    else:
        raise RouteDown("the route has a login, and the next hop offers neither AUTH PLAIN nor LOGIN")
    if said.code != 235:  # RFC 4954 6
        raise RouteDown(f"the next hop refuses the login {target.login}: {_readable(said)}")


def _readable(said: SmtpReply) -> str:
    if said.code != 334:
        return said.line
    try:
        return f"334 {b64decode(said.text).decode('utf-8', 'replace')}"
    except NotBase64:
        return said.line
