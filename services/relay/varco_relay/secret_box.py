"""Passwords of next hops, sealed: EVENTS is kept for ten years and read by others, and only relay has the key (ADR 10)."""

import os
from contextlib import suppress
from hmac import compare_digest
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from varco_common.base.errors import TransientError


class SecretBox:
    """Seals and opens with the key in a file of mode 0600, which is made at the first start."""

    def __init__(self, key: bytes) -> None:
        self._fernet = Fernet(key)

    @classmethod
    def from_file(cls, path: Path) -> "SecretBox":
        """Raises ValueError on a file that holds no key, and OSError on one that can't be read or made."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(FileExistsError):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(Fernet.generate_key() + b"\n")
        return cls(path.read_bytes().strip())

    def seal(self, password: str) -> str:
        return self._fernet.encrypt(password.encode()).decode()

    def open(self, secret: str) -> str:
        """Raises TransientError where the secret was sealed with another key: the route waits until it is set again."""
        try:
            return self._fernet.decrypt(secret).decode()
        except InvalidToken:
            raise TransientError("the route's password was sealed with another key: set the route again") from None

    def holds(self, secret: str, password: str) -> bool:
        """Whether this is the password that was sealed."""
        try:
            return compare_digest(self.open(secret).encode(), password.encode())
        except TransientError:
            return False
