"""Walks along a route as a mail would, and says of each step what was found or is missing."""

import json
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import NamedTuple

from cryptography import x509

from varco_common.base.errors import TransientError
from varco_common.events import DirectDelivery, OAuthProvider, Smarthost, TlsUse
from varco_relay.advice import advice_on_connection, advice_on_login, advice_on_token, missing_in_token
from varco_relay.oauth.credentials import OAuthCredentials
from varco_relay.oauth.errors import TokenRefused, TokenUnavailable
from varco_relay.oauth.tokens import Tokens
from varco_relay.secret_box import SecretBox
from varco_relay.smtp.addresses import addresses_of
from varco_relay.smtp.client import SmtpClient
from varco_relay.smtp.connection_pool import UnreachableHop
from varco_relay.smtp.dialer import Dialer, RouteDown
from varco_relay.smtp.mx_hops import MX, MxSurroundings, direct_target, targets_of
from varco_relay.smtp.mx_lookup import MAX_HOSTS, domain_of
from varco_relay.smtp.smtp_reply import SmtpReply
from varco_relay.smtp.target import SmtpTarget
from varco_relay.targets import open_target


class CheckedStep(NamedTuple):
    """One step: `text` says what was found, `advice` what to do where it failed."""

    step: str
    ok: bool
    text: str
    advice: str = ""


class CheckedHop(NamedTuple):
    """One server, by name."""

    name: str
    steps: list[CheckedStep]

    @property
    def ready(self) -> bool:
        return all(step.ok for step in self.steps)


class RouteChecker:
    """Uses connections of its own, one without and one with a login."""

    def __init__(self, dialer: Dialer, secret_box: SecretBox, tokens: Tokens, mx: MxSurroundings) -> None:
        self._dialer, self._secret_box, self._tokens, self._mx = dialer, secret_box, tokens, mx

    async def check(self, hop: Smarthost) -> list[CheckedStep]:
        """Up to the first step that fails."""
        steps: list[CheckedStep] = []
        try:
            target = open_target(hop, self._secret_box)
        except TransientError as error:
            return [CheckedStep("secrets", ok=False, text=str(error), advice="apply the account file with its secrets")]
        if hop.mx:
            targets = await targets_of(target, self._mx)
            if isinstance(targets, str):
                return [CheckedStep("dns", ok=False, text=targets, advice="check the name after mx:")]
            hosts = ", ".join(_host_of(each) for each in targets)
            steps.append(CheckedStep("dns", ok=True, text=f"mail of {hop.host} goes to {hosts}"))
            first = targets[0]
            if isinstance(first, UnreachableHop):
                return [*steps, CheckedStep("policy", ok=False, text=first.down_reason)]
            target = first
        return [*steps, *await self._walk(target)]

    async def check_direct(self, route: DirectDelivery, recipient: str) -> list[CheckedHop]:
        """The mail servers of the recipient's domain, up to the first that takes mail."""
        found = await self._mx.lookup.hosts(domain_of(recipient))
        if isinstance(found, SmtpReply):
            return [CheckedHop(MX, [CheckedStep("dns", ok=False, text=found.line)])]
        proof = "proven by DNSSEC" if found.validated else "not proven by DNSSEC"
        text = f"mail of {found.domain} goes to {', '.join(found.hosts)} ({proof})"
        hops = [CheckedHop(MX, [CheckedStep("dns", ok=True, text=text)])]
        for host in found.hosts[:MAX_HOSTS]:
            plain = direct_target(route, host, self._mx.port)
            target = await self._mx.policies.applied(plain, found)
            policy = CheckedStep("policy", not isinstance(target, str), _policy(plain, target))
            steps = [policy] if isinstance(target, str) else [policy, *await self._walk(target)]
            hops.append(CheckedHop(plain.name, steps))
            if hops[-1].ready:
                break
        return hops

    async def _walk(self, target: SmtpTarget) -> list[CheckedStep]:
        """Up to the first step that fails."""
        steps: list[CheckedStep] = []
        async for step in self._steps(target):
            steps.append(step)
            if not step.ok:
                break
        return steps

    async def _steps(self, target: SmtpTarget) -> AsyncIterator[CheckedStep]:
        yield await self._look_up(target)
        provider = target.oauth.provider if target.oauth else None
        try:
            client = await self._dialer.dial(replace(target, login="", password="", oauth=None))
        except RouteDown as error:
            yield _failed_connection(error)
            return
        await client.quit()
        yield CheckedStep("connection", ok=True, text=f"{target.name} answers, and offers {_offers(client)}")
        yield _encryption(client, target)
        if target.oauth:
            yield await self._token(target.oauth)
        if target.login:
            yield await self._login(target, provider)

    async def _look_up(self, target: SmtpTarget) -> CheckedStep:
        try:
            addresses = await addresses_of(target, self._dialer.resolver)
        except (OSError, UnicodeError) as error:
            return CheckedStep("dns", False, f"{target.host}: {error}", "the name does not exist: check smarthost")
        return CheckedStep("dns", ok=True, text=f"{target.host} is at {', '.join(addresses)}")

    async def _token(self, credentials: OAuthCredentials) -> CheckedStep:
        """A token that lacks a permission is fetched anew: the permission may be newer."""
        try:
            token = await self._tokens.current(credentials)
            if missing_in_token(_claims(token), credentials.provider):
                token = await self._tokens.renewed(credentials, token)
        except (TokenRefused, TokenUnavailable) as error:
            return CheckedStep("token", False, str(error), advice_on_token(str(error), credentials.provider))
        if advice := missing_in_token(_claims(token), credentials.provider):
            return CheckedStep("token", False, "the token does not allow to send mail", advice)
        return CheckedStep("token", ok=True, text=f"{credentials.provider} gives a token for {credentials.login}")

    async def _login(self, target: SmtpTarget, provider: OAuthProvider | None) -> CheckedStep:
        try:
            client = await self._dialer.dial(target)
        except RouteDown as error:
            return CheckedStep("login", False, str(error), advice_on_login(str(error), provider))
        await client.quit()
        how = f"token ({target.oauth.mechanism})" if target.oauth else "password"
        return CheckedStep("login", ok=True, text=f"{target.login} is logged in by {how}")


def _host_of(target: SmtpTarget | UnreachableHop) -> str:
    return target.host if isinstance(target, SmtpTarget) else target.name


def _policy(plain: SmtpTarget, applied: SmtpTarget | str) -> str:
    """What the domain asks of TLS."""
    if isinstance(applied, str):
        return applied
    if applied.dane:
        return f"DANE: {len(applied.dane)} TLSA records name its certificate"
    if applied.tls is not plain.tls:
        return "MTA-STS: the domain asks for TLS with a verified certificate"
    return f"neither DANE nor an MTA-STS policy holds: TLS is {plain.tls}, as in the route"


def _failed_connection(error: RouteDown) -> CheckedStep:
    text = str(error)
    step = "tls" if text.startswith(("TLS", "DANE", "the route requires TLS", "STARTTLS")) else "connection"
    return CheckedStep(step, False, text, advice_on_connection(text))


def _encryption(client: SmtpClient, target: SmtpTarget) -> CheckedStep:
    if not client.tls:
        return CheckedStep("tls", ok=True, text="no TLS: mail and login travel in clear")
    verified = "not verified"
    if target.tls is TlsUse.REQUIRED:
        verified = "verified by DANE" if target.dane else "verified"
    return CheckedStep("tls", ok=True, text=f"{client.tls}, {verified}: {_describe(client.certificate)}")


def _describe(der: bytes) -> str:
    """Whom a certificate is for, who issued it, and its last day."""
    certificate = x509.load_der_x509_certificate(der)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        subject = ", ".join(str(name.value) for name in names)
    except x509.ExtensionNotFound:
        subject = certificate.subject.rfc4514_string()
    until = certificate.not_valid_after_utc.date().isoformat()
    return f"certificate of {subject}, issued by {certificate.issuer.rfc4514_string()}, good until {until}"


def _offers(client: SmtpClient) -> str:
    offers = client.capabilities
    words = {"8BITMIME": offers.eight_bit, "SMTPUTF8": offers.smtputf8, "DSN": offers.dsn, "STARTTLS": offers.starttls}
    auth = [f"AUTH {' '.join(offers.auth)}"] if offers.auth else []
    size = [f"mails of up to {offers.max_size} bytes"] if offers.max_size else []
    return ", ".join([*(word for word, offered in words.items() if offered), *auth, *size]) or "nothing besides SMTP"


def _claims(token: str) -> dict[str, object]:
    """The claims of a token that is a JWT (RFC 7519 3), not verified; empty for others."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}
