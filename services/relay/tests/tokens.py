"""Tokens of a real token endpoint, for tests of the connections that use them."""

import json
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from varco_common.events import OAuth, OAuthProvider
from varco_common.testing.token_endpoint import TokenEndpoint
from varco_relay.oauth.credentials import OAuthCredentials, OAuthSecrets
from varco_relay.oauth.provider import Provider
from varco_relay.oauth.token_store import KeptToken
from varco_relay.oauth.tokens import Tokens

LOGIN = "gate@acme.example"


class Kept:
    """A store of tokens that lasts as long as the test."""

    def __init__(self) -> None:
        self.tokens: dict[str, KeptToken] = {}

    async def load(self, key: str) -> KeptToken | None:
        return self.tokens.get(key)

    async def save(self, key: str, token: KeptToken) -> None:
        self.tokens[key] = token


def tokens(store: Kept | None = None, trust: Path | None = None) -> Tokens:
    verified = ssl.create_default_context(cafile=trust)
    return Tokens(lambda: Provider(verified, private_routes=False), store or Kept())


def credentials(
    endpoint: TokenEndpoint,
    provider: OAuthProvider = OAuthProvider.GENERIC,
    secrets: OAuthSecrets | None = None,
    **more,
) -> OAuthCredentials:
    oauth = OAuth(provider=provider, **{"client_id": "gate", "token_url": endpoint.url} | more)
    return OAuthCredentials.of(oauth, LOGIN, secrets or OAuthSecrets(client_secret="client-secret"))


def rsa_key() -> tuple[rsa.RSAPublicKey, str]:
    """A key pair; the private one in PEM."""
    private = rsa.generate_private_key(65537, 2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private.public_key(), pem.decode()


def service_account(pem: str) -> str:
    """A key file as Google's console gives it."""
    return json.dumps(
        {
            "type": "service_account",
            "private_key_id": "k1",
            "private_key": pem,
            "client_email": "gate@project.iam.gserviceaccount.example",
        }
    )


def certificate_for(pem: str) -> str:
    """A self-signed certificate of the key, followed by the key."""
    key = serialization.load_pem_private_key(pem.encode(), None)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "gate")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode() + pem
