"""Codes of an app as a second factor (TOTP, RFC 6238), and how their secrets are stored."""

from datetime import datetime
from hmac import compare_digest
from pathlib import Path
from typing import Self

from cryptography.fernet import Fernet, InvalidToken

from varco_common.base.durable_file import create_durable, make_directory
from varco_common.base.errors import TransientError

STEP_SECONDS = 30
_ISSUER = "Varco"


class FactorSeal:
    """Encrypts the secrets of codes: other services read events (as ADR 10)."""

    def __init__(self, key: bytes) -> None:
        self._fernet = Fernet(key)

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """The first start makes the file, of mode 0600.

        Raises ValueError if it holds no key, and OSError if it can't be read or made.
        """
        make_directory(path.parent)
        if not path.exists():
            create_durable(path, Fernet.generate_key() + b"\n")
        return cls(path.read_bytes().strip())

    def seal(self, secret: str) -> str:
        return self._fernet.encrypt(secret.encode()).decode()

    def open(self, sealed: str) -> str:
        """Raises TransientError if it was sealed with another key."""
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken:
            raise TransientError("the second factor was sealed with another console.key: set it up again") from None


def new_factor_secret() -> str:
    """160 random bits in base 32, as apps take them."""
    import pyotp  # noqa: PLC0415 - few people use codes

    return pyotp.random_base32()


def setup_uri(secret: str, person: str) -> str:
    """What apps read from a QR code."""
    import pyotp  # noqa: PLC0415

    return pyotp.TOTP(secret).provisioning_uri(name=person, issuer_name=_ISSUER)


def code_step(secret: str, code: str, now: datetime, after: int) -> int:
    """The period that the code is of; 0 if it is wrong, or its period is not later than `after`.

    The period before and the one to come count too, for clocks that differ (RFC 6238 5.2).
    """
    import pyotp  # noqa: PLC0415

    current, given = int(now.timestamp()) // STEP_SECONDS, code.replace(" ", "").encode()
    totp, found = pyotp.TOTP(secret), 0
    for step in (current - 1, current, current + 1):
        if compare_digest(totp.generate_otp(step).encode(), given) and step > after:
            found = step
    return found
