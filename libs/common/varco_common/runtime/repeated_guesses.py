"""Wrong credentials that a session repeats: one guess, however often a client sends it."""

import secrets
from hashlib import blake2b


class RepeatedGuesses:
    """The failed logins of one session, as keyed hashes: no password stays in memory."""

    __slots__ = ("_key", "_seen")

    def __init__(self) -> None:
        self._key = secrets.token_bytes(16)
        self._seen: set[bytes] = set()

    def is_new(self, login: str, password: str) -> bool:
        """Whether these credentials failed for the first time. Notes them."""
        text = f"{login.strip().lower()}\0{password}".encode()
        guess = blake2b(text, key=self._key, digest_size=16).digest()
        new = guess not in self._seen
        self._seen.add(guess)
        return new
