"""C2SP tlog-checkpoint: a tree's size and root, signed, and the chain of keys that sign them."""

from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Self

from varco_common.transparency import signed_note
from varco_common.transparency.merkle_tree import HASH_BYTES
from varco_common.transparency.signed_note import BadNote, BadSignature, Note, PublicKey, SigningKey

_ROTATION = "varco key rotation"


class Checkpoint(NamedTuple):
    """The root of the first `size` events. `origin` names the log; `text` is the signed note."""

    origin: str
    size: int
    root: bytes
    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Does not verify the signature. Raises BadNote."""
        lines = Note.parse(text).text.split("\n")
        if len(lines) < 4 or not lines[0] or not lines[1].isascii() or not lines[1].isdecimal():
            raise BadNote("not a checkpoint: origin, size and root, each on its line")
        if str(int(lines[1])) != lines[1]:
            raise BadNote("not a checkpoint: its size has leading zeroes")
        try:
            root = b64decode(lines[2], validate=True)
        except ValueError:
            root = b""
        if len(root) != HASH_BYTES:
            raise BadNote("not a checkpoint: its third line is no hash")
        return cls(lines[0], int(lines[1]), root, text)


def signed(key: SigningKey, size: int, root: bytes) -> Checkpoint:
    """Signs a checkpoint of the log that has the key's name."""
    origin = key.public.name
    body = f"{origin}\n{size}\n{b64encode(root).decode()}\n"
    return Checkpoint(origin, size, root, signed_note.sign(body, [key]))


class Rotation(NamedTuple):
    """`new` signs the checkpoints of more than `size` events, `old` those before.

    `text` is a note that both keys signed.
    """

    old: PublicKey
    new: PublicKey
    size: int
    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Verifies both signatures. Raises BadNote."""
        note = Note.parse(text)
        lines = note.text.split("\n")
        if len(lines) != 6 or lines[0] != _ROTATION or not lines[2].isdecimal():
            raise BadNote("not a rotation of keys")
        old, new = PublicKey.parse(lines[3]), PublicKey.parse(lines[4])
        if len(note.signers((old, new))) != 2 or not lines[1] == old.name == new.name:
            raise BadSignature("a rotation that not both keys signed")
        return cls(old, new, int(lines[2]), text)


def rotation(old: SigningKey, new: SigningKey, size: int) -> Rotation:
    """Makes the note of a rotation, signed with both keys."""
    body = f"{_ROTATION}\n{old.public.name}\n{size}\n{old.public}\n{new.public}\n"
    return Rotation(old.public, new.public, size, signed_note.sign(body, [old, new]))


class Chain:
    """The keys that rotations connect with a trusted key, and the sizes that each may sign."""

    def __init__(self, trusted: Iterable[PublicKey], rotations: Sequence[Rotation] = ()) -> None:
        self.keys = [*trusted]
        self._until: dict[PublicKey, int] = {}
        self._after: dict[PublicKey, int] = {}
        rest = [*rotations]
        while connected := [r for r in rest if r.old in self.keys or r.new in self.keys]:
            for rotation in connected:
                rest.remove(rotation)
                self._until.setdefault(rotation.old, rotation.size)
                self._after.setdefault(rotation.new, rotation.size)
                self.keys += [key for key in (rotation.old, rotation.new) if key not in self.keys]

    def verify(self, checkpoint: Checkpoint) -> PublicKey:
        """The key that signed it.

        Raises BadSignature: forged, of another log, or a key out of its time.
        """
        if checkpoint.origin not in {key.name for key in self.keys}:
            known = ", ".join(sorted({key.name for key in self.keys})) or "none"
            raise BadSignature(f"a checkpoint of another log: {checkpoint.origin} (expected: {known})")
        (signer, *_) = Note.parse(checkpoint.text).signers(self.keys)
        if checkpoint.size > self._until.get(signer, checkpoint.size):
            raise BadSignature(
                f"signed by {signer.name}+{signer.id.hex()}, which was replaced at {self._until[signer]}"
            )
        if checkpoint.size < self._after.get(signer, 0):
            raise BadSignature(f"signed by {signer.name}+{signer.id.hex()} before it was in use")
        return signer
