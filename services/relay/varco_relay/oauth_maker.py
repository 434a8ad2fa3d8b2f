"""Makes the OAuth settings of a route of what a request asks for. Pure."""

from typing import Protocol
from urllib.parse import urlsplit

import msgspec

from varco_common.base.errors import RefusedCommand, TransientError
from varco_common.events import OAuth, OAuthProvider, TlsUse
from varco_relay.oauth.credentials import OAuthSecrets, usual_token_url
from varco_relay.route_requests import HopListRequest, HopRequest, OAuthRequest, RouteRequest
from varco_relay.smtp.target import MX_PREFIX

_LOOPBACK = ("127.0.0.1", "::1")


class SecretMissing(RefusedCommand):
    """A secret is neither given nor known."""


class Seals(Protocol):
    """What this needs of a SecretBox."""

    def encrypt(self, password: str) -> str: ...
    def decrypt(self, secret: str) -> str: ...


def make_oauth(request: OAuthRequest, old: list[OAuth], secret_box: Seals) -> OAuth:
    """`old` are the settings for the same next hop and login.

    The client's secrets are kept for the same client at the same URL alone: no other one may see
    them. Raises RefusedCommand.
    """
    oauth = OAuth(
        provider=request.provider,
        tenant=request.tenant,
        client_id=request.client_id,
        token_url=request.token_url,
        scope=request.scope,
        mechanism=request.mechanism,
    )
    if not usual_token_url(oauth) and not oauth.token_url:
        raise RefusedCommand(f"oauth with provider {oauth.provider} needs its token_url")
    same = next((before for before in old if _client(before) == _client(oauth)), None)
    kept = _opened(same, secret_box) if same else OAuthSecrets()
    secrets = _with(kept, request.secrets)
    _check(oauth, secrets)
    sealed = same.secret if same and secrets == kept else secret_box.encrypt(secrets.as_text())
    return msgspec.structs.replace(oauth, secret=sealed)


def refuse_plain(request: RouteRequest, *, plain_oauth: bool) -> None:
    """A token and what it is got with travel inside verified TLS alone. Raises RefusedCommand.

    With `plain_oauth`, as in the demo, also to http:// on this host, and in clear.
    """
    hops = request.hops if isinstance(request, HopListRequest) else (request,)
    for hop in hops:
        if not isinstance(hop, HopRequest) or not hop.oauth:
            continue
        if hop.tls is not TlsUse.REQUIRED and not plain_oauth:
            raise RefusedCommand("oauth needs tls: required, so that nobody else gets the token")
        if hop.smarthost.startswith(MX_PREFIX):
            raise RefusedCommand("oauth needs the name of a next hop: MX records could lead the token elsewhere")
        _check_url(hop.oauth.token_url, plain_oauth=plain_oauth)


def token_host(oauth: OAuth) -> str:
    """The host that is asked for tokens."""
    return urlsplit(oauth.token_url or usual_token_url(oauth)).hostname or ""


def _check_url(url: str, *, plain_oauth: bool) -> None:
    expected = "token_url: expected a URL such as https://login.provider.example/oauth2/token"
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0 and not (parts.username or parts.password or parts.fragment)
    except ValueError:
        raise RefusedCommand(expected) from None
    plain = plain_oauth and parts.scheme == "http" and parts.hostname in _LOOPBACK
    if url and (not usable or not (parts.scheme == "https" or plain) or not url.isascii() or not url.isprintable()):
        raise RefusedCommand(expected)


def _check(oauth: OAuth, secrets: OAuthSecrets) -> None:
    """Whether a token can be asked for with this."""
    needed = f"oauth with provider {oauth.provider} needs"
    if oauth.provider is OAuthProvider.MICROSOFT and not oauth.tenant and not oauth.token_url:
        raise RefusedCommand(f"{needed} its tenant")
    if oauth.provider is not OAuthProvider.GOOGLE and not oauth.client_id:
        raise RefusedCommand(f"{needed} its client_id")
    missing = ""
    match oauth.provider:
        case OAuthProvider.GOOGLE if not secrets.service_account:
            missing = "service_account_file, the key of a service account as JSON"
        case OAuthProvider.MICROSOFT if not (secrets.client_secret or secrets.certificate):
            missing = "client_secret_file or certificate_file"
        case OAuthProvider.GENERIC if not (secrets.client_secret or secrets.refresh_token):
            missing = "client_secret_file or refresh_token_file"
    if missing:
        raise SecretMissing(f"{needed} {missing}")
    if secrets.service_account and oauth.provider is not OAuthProvider.GOOGLE:
        raise RefusedCommand("a service_account is for provider google")
    if secrets.certificate and oauth.provider is not OAuthProvider.MICROSOFT:
        raise RefusedCommand("a certificate is for provider microsoft")


def _client(oauth: OAuth) -> tuple[str, ...]:
    """Who asks whom for tokens."""
    return (oauth.provider, oauth.client_id, oauth.token_url or usual_token_url(oauth))


def _opened(oauth: OAuth, secret_box: Seals) -> OAuthSecrets:
    """Empty if they were sealed with another key: they must be given again."""
    try:
        return OAuthSecrets.from_text(secret_box.decrypt(oauth.secret))
    except TransientError:
        return OAuthSecrets()


def _with(kept: OAuthSecrets, given: OAuthSecrets) -> OAuthSecrets:
    """A certificate takes the place of a secret, and the other way round."""
    new = {name: value for name, value in msgspec.structs.asdict(given).items() if value}
    if "certificate" in new:
        new.setdefault("client_secret", "")
    elif "client_secret" in new:
        new["certificate"] = ""
    return msgspec.structs.replace(kept, **new)
