"""From credentials to the request for a token: the grants of RFC 6749, 7521 and 7523. No I/O.

Authlib, which writes the requests, is imported with this module: only once a route needs it.
"""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_token_request
from authlib.oauth2.rfc7523.assertion import private_key_jwt_sign, sign_jwt_bearer_assertion
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from joserfc.jwk import RSAKey

from varco_common.events import OAuthProvider
from varco_relay.oauth.credentials import OAuthCredentials
from varco_relay.oauth.errors import TokenRefused

_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"  # RFC 7523 2.1
_CLIENT_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"  # RFC 7523 2.2
_FORM = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
ASSERTION_SECONDS = 600  # Google allows an hour, and a shorter life is enough for one request
_BACKDATED_SECONDS = 30  # a provider whose clock is a little behind takes no assertion of the future


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """A POST to a token endpoint. Its parts hold secrets."""

    url: str
    headers: dict[str, str] = field(repr=False)
    body: str = field(repr=False)


def uses_clock(credentials: OAuthCredentials) -> bool:
    """Whether the request holds the time of this gate, which the provider compares with its own."""
    return bool(credentials.secrets.certificate or credentials.secrets.service_account)


def token_requests(credentials: OAuthCredentials, now: datetime, refresh_token: str = "") -> Iterator[TokenRequest]:
    """The requests to try, one after the other while the provider does not know the client.

    Raises TokenRefused for a certificate or key that cannot be read.
    """
    try:
        if credentials.secrets.service_account:
            yield _of_service_account(credentials, now)
        elif credentials.secrets.certificate:
            yield _with_certificate(credentials, now, refresh_token)
        else:
            yield from _with_client_secret(credentials, refresh_token)
    except ValueError as error:
        raise TokenRefused("invalid_key", f"the key of the route's oauth can't be used: {error}") from None


def _with_client_secret(credentials: OAuthCredentials, refresh_token: str) -> Iterator[TokenRequest]:
    """RFC 6749 2.3.1: every provider must take HTTP Basic. Microsoft reads the form alone."""
    body = _grant(credentials, refresh_token)
    methods = ["client_secret_post"] if credentials.secrets.client_secret else ["none"]
    if credentials.provider is OAuthProvider.GENERIC and credentials.secrets.client_secret:
        methods.insert(0, "client_secret_basic")
    for method in methods:
        auth = ClientAuth(credentials.client_id, credentials.secrets.client_secret, method)
        url, headers, signed = auth.prepare("POST", credentials.token_url, dict(_FORM), body)  # type: ignore[no-untyped-call]
        yield TokenRequest(url=url, headers=headers, body=signed)


def _with_certificate(credentials: OAuthCredentials, now: datetime, refresh_token: str) -> TokenRequest:
    pem = credentials.secrets.certificate.encode()
    certificate = x509.load_pem_x509_certificate(pem)
    assertion = private_key_jwt_sign(
        _rsa_key(pem),
        credentials.client_id,
        credentials.token_url,
        header={
            "typ": "JWT",
            "x5t": _base64url(certificate.fingerprint(hashes.SHA1())),  # noqa: S303 - a name, no signature
            "x5t#S256": _base64url(certificate.fingerprint(hashes.SHA256())),
        },
        **_times(now),  # type: ignore[arg-type] # the stubs know text alone
    )
    more = {"client_assertion_type": _CLIENT_ASSERTION, "client_assertion": assertion}
    body = _grant(credentials, refresh_token, client_id=credentials.client_id, **more)
    return TokenRequest(url=credentials.token_url, headers=_FORM, body=body)


def _of_service_account(credentials: OAuthCredentials, now: datetime) -> TokenRequest:
    """Google's service accounts act for a user of the domain, whom `sub` names."""
    account = json.loads(credentials.secrets.service_account)
    if not isinstance(account, dict) or not account.get("client_email") or not account.get("private_key"):
        raise ValueError("it has no client_email or no private_key")
    assertion = sign_jwt_bearer_assertion(
        _rsa_key(str(account["private_key"]).encode()),
        issuer=account["client_email"],
        audience=credentials.token_url,
        subject=credentials.login,
        claims={"scope": credentials.scope},
        header={"typ": "JWT", "alg": "RS256", "kid": str(account.get("private_key_id", ""))},
        **_times(now),
    )
    body = prepare_token_request(_JWT_BEARER, assertion=assertion)
    return TokenRequest(url=credentials.token_url, headers=_FORM, body=body)


def _grant(credentials: OAuthCredentials, refresh_token: str, **more: str) -> str:
    scope = {"scope": credentials.scope} if credentials.scope else {}
    if refresh_token:
        return str(prepare_token_request("refresh_token", refresh_token=refresh_token, **scope, **more))
    return str(prepare_token_request("client_credentials", **scope, **more))


def _rsa_key(pem: bytes) -> RSAKey:
    """The only private key in PEM. Raises ValueError."""
    private = serialization.load_pem_private_key(pem, password=None)
    return RSAKey.import_key(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


def _times(now: datetime) -> dict[str, int]:
    begin = int(now.timestamp()) - _BACKDATED_SECONDS
    return {"issued_at": begin, "expires_at": begin + ASSERTION_SECONDS}


def _base64url(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
