"""Mail ids: 20 characters that sort by time and can't be guessed from one another."""

import os
import time

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u to misread
LENGTH = 20


def new_id() -> str:
    """A mail id: 48 bits of milliseconds, then 52 random bits, in base 32."""
    number = (time.time_ns() // 1_000_000) << 52 | int.from_bytes(os.urandom(7)) >> 4
    return "".join([ALPHABET[number >> shift & 31] for shift in range(95, -1, -5)])
