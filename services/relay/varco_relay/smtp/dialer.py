"""Opens connections: greeting, EHLO, TLS, login."""

import asyncio
import ssl
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import msgspec

from varco_common.dns import Resolver
from varco_common.events import TlsUse
from varco_relay.oauth.errors import TokenRefused, TokenUnavailable
from varco_relay.oauth.tokens import Tokens
from varco_relay.smtp.addresses import addresses_of, source_for
from varco_relay.smtp.client import ConnectionLost, SmtpClient, Timeouts
from varco_relay.smtp.dane import mismatch
from varco_relay.smtp.login import LoginFailed, TokenRejected, check_login, login_with_password, login_with_token
from varco_relay.smtp.public_addresses import only_public
from varco_relay.smtp.target import SmtpTarget
from varco_relay.smtp.tls_failures import result_of
from varco_relay.smtp.tls_session import TlsFailure, TlsResult
from varco_relay.smtp.transaction import Capabilities, parse_capabilities

_MAX_REASON = 200  # characters, in a report


class RouteDown(Exception):
    """No connection can carry mail; the text says why. No mail is at fault.

    `tls` says so in the words of a TLS report, where it is TLS that failed.
    """

    def __init__(self, text: str, tls: TlsFailure | None = None) -> None:
        super().__init__(text)
        self.tls = tls


class _TlsFailed(Exception):
    """There was no handshake, or it failed."""

    def __init__(self, text: str, result: TlsResult = TlsResult.VALIDATION_FAILURE) -> None:
        super().__init__(text)
        self.failure = TlsFailure(result=result, reason=text[:_MAX_REASON])


def _unverified() -> ssl.SSLContext:
    """RFC 7435: some encryption is better than none, even with an unknown next hop."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@dataclass(frozen=True, kw_only=True)
class Dialer:
    """How this gate connects: its EHLO name, its timeouts, and the certificates that it trusts.

    With `private_routes` the routes that accounts set may lead to private addresses. `tokens` None:
    no route uses OAuth.
    """

    name: str
    tokens: Tokens | None = None
    private_routes: bool = False
    timeouts: Timeouts = field(default_factory=Timeouts)
    verified: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    unverified: ssl.SSLContext = field(default_factory=_unverified)
    resolver: Resolver = field(default_factory=Resolver)

    async def dial(self, target: SmtpTarget) -> SmtpClient:
        """A connection that is ready for MAIL FROM. Raises RouteDown."""
        token = await self._token(target)
        try:
            return await self._dial(target, token)
        except TokenRejected as error:
            token = await self._token(target, rejected=token)
            try:
                return await self._dial(target, token)
            except TokenRejected:
                raise RouteDown(str(error)) from error

    async def _token(self, target: SmtpTarget, rejected: str = "") -> str:
        """The token that logs in, and another one than `rejected`; empty without OAuth."""
        if not target.oauth:
            return ""
        if not self.tokens:
            raise RouteDown("this relay has no place for tokens")
        try:
            return await (
                self.tokens.renewed(target.oauth, rejected) if rejected else self.tokens.current(target.oauth)
            )
        except TokenRefused as error:
            raise RouteDown(f"the provider gives no token for {target.login}: {error}") from error
        except TokenUnavailable as error:
            raise RouteDown(f"no token for {target.login} now: {error}") from error

    async def _dial(self, target: SmtpTarget, token: str) -> SmtpClient:
        """Raises TokenRejected, too."""
        failure: TlsFailure | None = None
        for attempt in _encrypted_attempts(target):
            try:
                client = await self._dial_once(attempt, token, encrypt=True)
            except _TlsFailed as error:
                failure = failure or error.failure
                if target.tls is TlsUse.REQUIRED:
                    raise RouteDown(str(error), failure) from error
            else:
                client.tls_failure = failure or client.tls_failure
                return client
        client = await self._dial_once(target, token, encrypt=False)
        client.tls_failure = failure
        return client

    async def _dial_once(self, target: SmtpTarget, token: str, *, encrypt: bool) -> SmtpClient:
        client = await self._connect(target, encrypt=encrypt)
        try:
            greeting = await client.reply(self.timeouts.greeting)
            if greeting.code != 220:
                raise RouteDown(f"the next hop greets with {greeting.line}")  # noqa: TRY301 - one way out
            _check_dane(client, target)
            await self._hello(client)
            if encrypt and not client.tls:
                await self._start_tls(client, target)
            if not (client.tls and target.tls is TlsUse.REQUIRED and target.proven):  # RFC 8689 4.2.1
                client.capabilities = msgspec.structs.replace(client.capabilities, require_tls=False)
            if target.login:
                await _log_in(client, target, token)
        except BaseException as error:
            client.abort("never used")
            if isinstance(error, _TlsFailed):
                error.failure = _at(error.failure, client, target)
            if isinstance(error, ConnectionLost):
                raise RouteDown(str(error)) from error
            if isinstance(error, LoginFailed) and not isinstance(error, TokenRejected):
                raise RouteDown(str(error)) from error
            raise
        return client

    async def _connect(self, target: SmtpTarget, *, encrypt: bool) -> SmtpClient:
        try:
            async with asyncio.timeout(self.timeouts.connect):
                return await self._open_any(target, encrypt=encrypt)
        except ssl.SSLError as error:
            raise _TlsFailed(f"TLS: {error}", result_of(error)) from error
        # the errors of getaddrinfo are OSErrors as well; a name that IDNA refuses is a ValueError
        except (OSError, TimeoutError, ValueError) as error:
            raise RouteDown(f"can't connect to {target.name}: {error or 'timed out'}") from error

    async def _open_any(self, target: SmtpTarget, *, encrypt: bool) -> SmtpClient:
        """Connects to the first address that answers.

        Addresses are checked here and connected to as such: a second look-up may give others.
        """
        addresses = await addresses_of(target, self.resolver)
        if target.public_only and not self.private_routes:
            addresses = only_public(addresses)
        for address in addresses[:-1]:
            try:
                async with asyncio.timeout(self.timeouts.connect / len(addresses)):
                    return await self._open(target, address, encrypt=encrypt)
            except ssl.SSLError:
                raise
            except (OSError, TimeoutError):
                continue
        return await self._open(target, addresses[-1], encrypt=encrypt)

    async def _open(self, target: SmtpTarget, address: str, *, encrypt: bool) -> SmtpClient:
        implicit = encrypt and target.implicit_tls
        source = source_for(target, address)
        _, client = await asyncio.get_running_loop().create_connection(
            lambda: SmtpClient(self.timeouts),
            address,
            target.port,
            ssl=self._context(target) if implicit else None,
            server_hostname=target.tls_name if implicit else None,
            ssl_handshake_timeout=self.timeouts.connect if implicit else None,
            local_addr=(source, 0) if source else None,
        )
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
            missing = _TlsFailed(
                "the route requires TLS, and the next hop doesn't offer STARTTLS", TlsResult.STARTTLS_NOT_SUPPORTED
            )
            if target.tls is TlsUse.REQUIRED:
                raise missing
            client.tls_failure = _at(missing.failure, client, target)
            return
        reply = await client.command(b"STARTTLS\r\n")
        try:
            if reply.code != 220:
                raise ConnectionLost(f"STARTTLS was answered {reply.line}")  # noqa: TRY301 - one way out
            await client.start_tls(self._context(target), target.tls_name)
        except ConnectionLost as error:
            raise _TlsFailed(str(error), result_of(error.__cause__)) from error
        _check_dane(client, target)
        await self._hello(client)  # RFC 3207 4.2: what was said before the handshake is forgotten

    def _context(self, target: SmtpTarget) -> ssl.SSLContext:
        """With DANE the certificate is checked after the handshake, and not by who signed it."""
        return self.verified if target.tls is TlsUse.REQUIRED and not target.dane else self.unverified


def _encrypted_attempts(target: SmtpTarget) -> list[SmtpTarget]:
    """RFC 8461 5: a policy that is only tested costs no mail. What it would cost is reported."""
    if target.tls is TlsUse.NONE:
        return []
    return [replace(target, tls=TlsUse.REQUIRED), target] if target.tested else [target]


def _at(failure: TlsFailure, client: SmtpClient, target: SmtpTarget) -> TlsFailure:
    addresses = {"sending_ip": client.own_address, "receiving_ip": client.peer_address}
    return msgspec.structs.replace(failure, host=target.host, **addresses)


def _check_dane(client: SmtpClient, target: SmtpTarget) -> None:
    """Raises _TlsFailed if TLSA records name another certificate."""
    if client.tls and target.dane:
        wrong = mismatch(target.dane, client.certificates(), target.host, datetime.now(UTC))
        if wrong:
            raise _TlsFailed(f"DANE: {wrong}")


async def _log_in(client: SmtpClient, target: SmtpTarget, token: str) -> None:
    check_login(client, target)
    await (login_with_token(client, target, token) if target.oauth else login_with_password(client, target))
    client.logged_in = True
