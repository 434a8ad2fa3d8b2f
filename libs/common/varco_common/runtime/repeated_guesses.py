"""Wrong credentials that a client repeats: one guess, however often it sends them."""

import secrets
from hashlib import blake2b

# Made anew by each process and never stored: nobody can try passwords against the hashes.
_KEY = secrets.token_bytes(32)


def guess_of(login: str, password: str) -> str:
    """The same text for the same credentials, within this process."""
    text = f"{login.strip().lower()}\0{password}".encode()
    return blake2b(text, key=_KEY, digest_size=16).hexdigest()


class RepeatedGuesses:
    """The failed logins of one session."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def is_new(self, guess: str) -> bool:
        """Whether these credentials failed for the first time. Notes them."""
        new = guess not in self._seen
        self._seen.add(guess)
        return new
