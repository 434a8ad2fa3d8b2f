"""C2SP signed-note: a text with Ed25519 signatures, and keys as text like Go's sumdb/note."""

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import NamedTuple, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_ED25519 = b"\x01"  # c2sp.org/signed-note: signature types
_DASH = "\N{EM DASH} "
_MAX_SIGNATURES = 100
_NAME = re.compile(r"[^\s+]+")


class BadNote(ValueError):
    """Not a signed note, or not a key; the text tells what is wrong."""


class BadSignature(BadNote):
    """No trusted key signed the note, or the signature belongs to another text."""


class PublicKey(NamedTuple):
    """A verifier's key: its name and 32 bytes. As text: `<name>+<key id>+<base64>`."""

    name: str
    raw: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises BadNote."""
        name, key_id, encoded = _parts(text.strip(), "<name>+<key id>+<base64>, as `varco audit key` prints it")
        key = cls(name, _key_bytes(encoded))
        if key.id.hex() != key_id:
            raise BadNote(f"the key's id isn't that of its name and bytes: {text.strip()}")
        return key

    @property
    def id(self) -> bytes:
        """Four bytes: SHA-256(name, line feed, type, key), cut."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.raw).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{b64encode(_ED25519 + self.raw).decode()}"

    def verifies(self, text: str, signature: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, text.encode())
        except InvalidSignature:
            return False
        return True


class SigningKey:
    """A private key and its name. As text: `PRIVATE+KEY+<name>+<key id>+<base64>`."""

    def __init__(self, name: str, seed: bytes) -> None:
        if not _NAME.fullmatch(name):
            raise BadNote(f"a key's name has no blanks and no plus: {name!r}")
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self._seed = seed
        self.public = PublicKey(name, self._private.public_key().public_bytes_raw())

    @classmethod
    def new(cls, name: str) -> Self:
        return cls(name, Ed25519PrivateKey.generate().private_bytes_raw())

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises BadNote. The error's text never contains the key."""
        head, _, rest = text.strip().partition("PRIVATE+KEY+")
        name, key_id, encoded = _parts(rest if not head else "", "a private key")
        key = cls(name, _key_bytes(encoded))
        if key.public.id.hex() != key_id:
            raise BadNote("the private key's id isn't that of its name and bytes")
        return key

    def text(self) -> str:
        """The text form, which is secret."""
        return f"PRIVATE+KEY+{self.public.name}+{self.public.id.hex()}+{b64encode(_ED25519 + self._seed).decode()}"

    def sign(self, text: str) -> bytes:
        return self._private.sign(text.encode())


class Note(NamedTuple):
    """A text and the signatures below it: name, key id, signature."""

    text: str
    signatures: tuple[tuple[str, bytes, bytes], ...]

    @classmethod
    def parse(cls, data: str) -> Self:
        """Does not verify the signatures. Raises BadNote."""
        text, parted, below = data.rpartition("\n\n")  # c2sp.org/signed-note: by the last empty line
        lines = below.split("\n")
        if not parted or lines.pop() or not lines or len(lines) > _MAX_SIGNATURES:
            raise BadNote("not a signed note: a text, an empty line, then lines of signatures")
        if any(c < " " and c != "\n" for c in data):
            raise BadNote("not a signed note: it holds control characters")
        return cls(f"{text}\n", tuple(map(_signature, lines)))

    def signers(self, keys: Iterable[PublicKey]) -> list[PublicKey]:
        """The keys that signed.

        Raises BadSignature if a signature is wrong, or none of them signed.
        """
        signers: list[PublicKey] = []
        for key in keys:
            for name, key_id, signature in self.signatures:
                if (name, key_id) == (key.name, key.id):
                    if not key.verifies(self.text, signature):
                        raise BadSignature(f"the signature of {name} isn't one of this text: it was altered, or forged")
                    signers.append(key)
                    break
        if not signers:
            names = ", ".join(f"{name}+{key_id.hex()}" for name, key_id, _ in self.signatures)
            raise BadSignature(f"signed by {names}, which is no trusted key")
        return signers


def sign(text: str, keys: Sequence[SigningKey]) -> str:
    """Makes a signed note. Raises BadNote if the text cannot be signed."""
    if not text.endswith("\n") or any(c < " " and c != "\n" for c in text):
        raise BadNote("a note's text ends in a line end and holds no other control characters")
    below = (f"{_DASH}{key.public.name} {b64encode(key.public.id + key.sign(text)).decode()}\n" for key in keys)
    return f"{text}\n{''.join(below)}"


def _signature(line: str) -> tuple[str, bytes, bytes]:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    blob = _base64(encoded)
    if not line.startswith(_DASH) or not _NAME.fullmatch(name) or len(blob) < 5:
        raise BadNote("not a signed note: a line below its text is no signature")
    return name, blob[:4], blob[4:]


def _parts(text: str, expected: str) -> tuple[str, str, str]:
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    if not _NAME.fullmatch(name) or not re.fullmatch(r"[0-9a-f]{8}", key_id):
        raise BadNote(f"not {expected}")
    return name, key_id, encoded


def _key_bytes(encoded: str) -> bytes:
    blob = _base64(encoded)
    if len(blob) != 33 or blob[:1] != _ED25519:
        raise BadNote("not an Ed25519 key")
    return blob[1:]


def _base64(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except ValueError:
        raise BadNote("what should be base64 is none") from None
