"""Secrets of cookies and links: 256 random bits, of which only a digest is stored. Pure."""

import hashlib
import hmac
import secrets
from typing import NamedTuple


class SecretValue(NamedTuple):
    """`text` is `<person>.<secret>`, as it stands in a cookie or a link."""

    person: str
    secret: str

    @property
    def text(self) -> str:
        return f"{self.person}.{self.secret}"

    @property
    def digest(self) -> str:
        """What is stored. Nobody can guess the secret, so a plain SHA-256 is enough."""
        return hashlib.sha256(self.secret.encode()).hexdigest()

    @property
    def form_token(self) -> str:
        """Stands in each form. Only who has the cookie can compute it."""
        return hmac.digest(self.secret.encode(), b"form", "sha256").hex()

    def allows(self, form_token: str) -> bool:
        return hmac.compare_digest(self.form_token.encode(), form_token.encode())


def new_secret(person: str = "") -> SecretValue:
    return SecretValue(person, secrets.token_urlsafe(32))


def parse_secret(text: str) -> SecretValue:
    """The parts of any text; a text that was made up names nobody, or has no stored digest."""
    person, _, secret = text.rpartition(".")
    return SecretValue(person, secret)
