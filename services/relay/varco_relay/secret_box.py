"""Encrypts passwords of next hops: others read EVENTS, and only relay has the key (ADR 10)."""

from hmac import compare_digest

from varco_common.base.errors import TransientError
from varco_common.runtime.secret_cipher import SecretCipher


class SecretBox(SecretCipher):
    """With the key in relay.key."""

    LOST = "the route's password was sealed with another key: set the route again"

    def matches(self, secret: str, password: str) -> bool:
        """Whether the secret is this password, encrypted."""
        try:
            return compare_digest(self.decrypt(secret).encode(), password.encode())
        except TransientError:
            return False
