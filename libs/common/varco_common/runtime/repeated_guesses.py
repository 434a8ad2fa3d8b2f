"""Wrong credentials that a client repeats: one guess, however often it sends them."""

import asyncio
import secrets
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import blake2b

import msgspec

from varco_common.base import subjects
from varco_common.base.errors import ConflictError
from varco_common.base.json_decoding import decode_json
from varco_common.base.tasks import retry_until_available
from varco_common.bus import Bus

LEASE = "guesses"
GUESS_KEY = subjects.lease(LEASE)
KEY_AGE = timedelta(days=1)
POLL_SECONDS = 60.0


class SharedKey(msgspec.Struct, frozen=True, kw_only=True):
    """What stream LEASES holds: one key, which replaces the one before."""

    key: bytes
    since: datetime


_decoder = msgspec.json.Decoder(SharedKey)


class GuessDigest:
    """Turns credentials into a keyed hash, by which the same ones are known again.

    All processes of a gate share the key over the bus. It is replaced each day and the old one is
    kept nowhere, so that nobody can try passwords against the hashes in older events. Until the
    shared key is known, a process uses one of its own.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def of(self, login: str, password: str) -> str:
        """The same text for the same credentials, within a day."""
        text = f"{login.strip().lower()}\0{password}".encode()
        return blake2b(text, key=self._key, digest_size=16).hexdigest()

    async def follow(self, bus: Bus) -> None:
        """Until cancelled: uses the shared key, and makes a new one when it is too old."""
        while True:
            await retry_until_available(partial(self.share, bus), "no key is shared for repeated guesses")
            await asyncio.sleep(POLL_SECONDS)

    async def share(self, bus: Bus) -> None:
        """Raises TransientError."""
        while True:
            sequence, content = await bus.leases.get(LEASE)
            now = datetime.now(UTC)
            shared = _decoded(content)
            if shared and abs(now - shared.since) < KEY_AGE:
                self._key = shared.key
                return
            replacement = SharedKey(key=secrets.token_bytes(32), since=now)
            try:
                await bus.leases.replace(LEASE, msgspec.json.encode(replacement), expect=sequence)
            except ConflictError:
                continue  # another process was first
            self._key = replacement.key
            return


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


def _decoded(content: bytes) -> SharedKey | None:
    try:
        return decode_json(_decoder, content)
    except ValueError:
        return None
