"""Signing in with an OpenID provider (OpenID Connect Core 3.1, with PKCE, RFC 7636)."""

import secrets
import time
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from varco_common.base import log
from varco_common.base.errors import VarcoError

if TYPE_CHECKING:
    import httpx

SECONDS = 10.0
METADATA_SECONDS = 3_600.0
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"]  # signatures by a private key alone
LEEWAY_SECONDS = 60
SCOPE = "openid profile email"

_log = log.get(__name__)


class OidcFailure(VarcoError):
    """The provider is away, or what it said proves nobody's identity. The text is for operators."""


class OidcClient(NamedTuple):
    """How the provider knows this console. `claim` holds the names of people."""

    issuer: str
    client_id: str
    client_secret: str
    claim: str
    redirect_uri: str


class OidcAttempt(NamedTuple):
    """What the browser keeps in a cookie while the person is at the provider."""

    state: str
    nonce: str
    verifier: str
    next: str

    @classmethod
    def new(cls, next_path: str) -> Self:
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        return cls(state, nonce, verifier, next_path)

    @classmethod
    def parse(cls, cookie: str) -> Self | None:
        """None if the cookie is none of ours."""
        parts = cookie.split(" ", 3)
        return cls(*parts) if len(parts) == 4 and all(parts) else None

    @property
    def cookie(self) -> str:
        return " ".join(self)


class OidcProvider:
    """All methods raise OidcFailure."""

    def __init__(self, client: OidcClient, http: "httpx.AsyncClient") -> None:
        self.client, self._http = client, http
        self._metadata: dict[str, Any] = {}
        self._metadata_until = 0.0

    async def authorization_url(self, attempt: OidcAttempt) -> str:
        """Where the person signs in."""
        from authlib.oauth2.rfc6749.parameters import prepare_grant_uri  # noqa: PLC0415 - large
        from authlib.oauth2.rfc7636 import create_s256_code_challenge  # noqa: PLC0415

        metadata = await self._discover()
        return str(
            prepare_grant_uri(
                metadata["authorization_endpoint"],
                self.client.client_id,
                "code",
                redirect_uri=self.client.redirect_uri,
                scope=SCOPE,
                state=attempt.state,
                nonce=attempt.nonce,
                code_challenge=create_s256_code_challenge(attempt.verifier),  # type: ignore[no-untyped-call]
                code_challenge_method="S256",
            )
        )

    async def name_of(self, code: str, attempt: OidcAttempt) -> str:
        """The name of the person whom the provider vouches for, in lower case."""
        metadata = await self._discover()
        tokens = await self._tokens(metadata["token_endpoint"], code, attempt.verifier)
        claims = await self._claims(metadata["jwks_uri"], tokens, attempt.nonce)
        if self.client.claim == "email" and claims.get("email_verified") is not True:
            raise OidcFailure("the provider has not verified the e-mail address")
        name = claims.get(self.client.claim)
        if not isinstance(name, str) or not name or not name.isascii():  # the Kelvin sign in lower case is a k
            raise OidcFailure(f"the provider's ID token has no claim {self.client.claim} of ASCII letters")
        return name.lower()

    async def _discover(self) -> dict[str, Any]:
        """OpenID Connect Discovery 4. The issuer in it must be the one that was asked."""
        if time.monotonic() >= self._metadata_until:
            metadata = await self._fetch("GET", f"{self.client.issuer.rstrip('/')}/.well-known/openid-configuration")
            if metadata.get("issuer") != self.client.issuer:
                raise OidcFailure(f"the provider calls itself {metadata.get('issuer')}, not {self.client.issuer}")
            self._metadata, self._metadata_until = metadata, time.monotonic() + METADATA_SECONDS
        return self._metadata

    async def _tokens(self, url: str, code: str, verifier: str) -> dict[str, Any]:
        from authlib.oauth2.auth import ClientAuth  # noqa: PLC0415

        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.client.redirect_uri}
        authentication = ClientAuth(self.client.client_id, self.client.client_secret)
        _, headers, _ = authentication.prepare("POST", url, {}, "")  # type: ignore[no-untyped-call]
        return await self._fetch("POST", url, data=form | {"code_verifier": verifier}, headers=headers)

    async def _claims(self, keys_url: str, tokens: dict[str, Any], nonce: str) -> dict[str, Any]:
        """Those of the ID token (OpenID Connect Core 3.1.3.7)."""
        from authlib.oidc.core import CodeIDToken  # noqa: PLC0415
        from joserfc import jwt  # noqa: PLC0415
        from joserfc.errors import JoseError  # noqa: PLC0415
        from joserfc.jwk import KeySet  # noqa: PLC0415

        keys: Any = await self._fetch("GET", keys_url)
        options = {"iss": {"value": self.client.issuer}, "aud": {"value": self.client.client_id}}
        parameters = {"nonce": nonce, "client_id": self.client.client_id, "access_token": tokens.get("access_token")}
        try:
            token = jwt.decode(str(tokens.get("id_token", "")), KeySet.import_key_set(keys), algorithms=ALGORITHMS)
            claims = CodeIDToken(token.claims, token.header, options, parameters)
            claims.validate(leeway=LEEWAY_SECONDS)
        except (JoseError, ValueError, KeyError) as error:
            raise OidcFailure(f"the provider's ID token is not good: {error}") from None
        if not secrets.compare_digest(str(claims.get("nonce", "")), nonce):
            raise OidcFailure("the provider's ID token is of another attempt")
        return dict(claims)

    async def _fetch(self, method: str, url: str, **options: Any) -> dict[str, Any]:
        import httpx  # noqa: PLC0415

        try:
            answer = await self._http.request(method, url, timeout=SECONDS, **options)
            content = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise OidcFailure(f"the provider does not answer at {url}: {type(error).__name__}") from None
        if not answer.is_success or not isinstance(content, dict):
            _log.warning("the OpenID provider refused", url=url, status=answer.status_code, answer=str(content)[:500])
            raise OidcFailure(f"the provider answers {answer.status_code} at {url}")
        return content
