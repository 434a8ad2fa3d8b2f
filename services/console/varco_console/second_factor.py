"""Codes of an app as a second factor (TOTP, RFC 6238), and how their secrets are stored."""

from datetime import datetime
from hmac import compare_digest

from varco_common.runtime.secret_cipher import SecretCipher

STEP_SECONDS = 30
_ISSUER = "Varco"


class FactorSeal(SecretCipher):
    """Encrypts the secrets of codes, with the key in console.key."""

    LOST = "the second factor was sealed with another console.key: set it up again"


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
