"""Encrypts passwords of next hops: others read EVENTS, and only relay has the key (ADR 10)."""

from hmac import compare_digest
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from varco_common.base.durable_file import create_durable, make_directory
from varco_common.base.errors import TransientError


class SecretBox:
    """Encrypts and decrypts with the key in a file of mode 0600, which the first start makes."""

    def __init__(self, key: bytes) -> None:
        self._fernet = Fernet(key)

    @classmethod
    def from_file(cls, path: Path) -> "SecretBox":
        """Raises ValueError if the file holds no key, and OSError if it cannot be read or made."""
        make_directory(path.parent)
        if not path.exists():
            create_durable(path, Fernet.generate_key() + b"\n")
        return cls(path.read_bytes().strip())

    def encrypt(self, password: str) -> str:
        return self._fernet.encrypt(password.encode()).decode()

    def decrypt(self, secret: str) -> str:
        """Raises TransientError for a secret of another key: the route must be set again."""
        try:
            return self._fernet.decrypt(secret).decode()
        except InvalidToken:
            raise TransientError("the route's password was sealed with another key: set the route again") from None

    def matches(self, secret: str, password: str) -> bool:
        """Whether the secret is this password, encrypted."""
        try:
            return compare_digest(self.decrypt(secret).encode(), password.encode())
        except TransientError:
            return False
