"""Encrypts secrets in events: others read EVENTS, and only one service has the key (ADR 10)."""

from pathlib import Path
from typing import ClassVar, Self

from cryptography.fernet import Fernet, InvalidToken

from varco_common.base.errors import TransientError
from varco_common.runtime.key_file import read_key


class SecretCipher:
    """Encrypts and decrypts with the key in a file of mode 0600, which the first start makes."""

    LOST: ClassVar[str] = "the secret was encrypted with another key"
    """What an operator reads of a secret of another key: what it is of, and what to do."""

    def __init__(self, key: bytes) -> None:
        self._fernet = Fernet(key)

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Raises ValueError if the file holds no key, and OSError if it cannot be read or made."""
        return cls(read_key(path))

    def encrypt(self, text: str) -> str:
        return self._fernet.encrypt(text.encode()).decode()

    def decrypt(self, secret: str) -> str:
        """Raises TransientError for a secret of another key."""
        try:
            return self._fernet.decrypt(secret).decode()
        except InvalidToken:
            raise TransientError(self.LOST) from None
