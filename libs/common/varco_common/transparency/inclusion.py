"""The proof that one event is in the log: that event, its path and a checkpoint, as JSON that reveals no other event."""

from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence

import msgspec

from varco_common.transparency import leaf
from varco_common.transparency.checkpoint import Chain, Checkpoint, Rotation
from varco_common.transparency.leaf import LogEntry
from varco_common.transparency.merkle_tree import root_of_inclusion
from varco_common.transparency.signed_note import BadNote, PublicKey

FORMAT = "varco-event-proof-v1"


class InclusionProof(msgspec.Struct, frozen=True, kw_only=True):
    """`event` is as an export's line has it; `path` the base64 hashes from the leaf upwards; `rotations` oldest first."""

    format: str = FORMAT
    event: msgspec.Raw
    path: tuple[str, ...]
    checkpoint: str
    rotations: tuple[str, ...] = ()


class ProvenEvent(msgspec.Struct, frozen=True, kw_only=True):
    """What a proof proves: this event, among the first `size` of log `origin`, under this key."""

    entry: LogEntry
    origin: str
    size: int
    key: str


class NotProven(ValueError):
    """The proof doesn't hold; the text says where it breaks."""


def proof(entry: LogEntry, path: Sequence[bytes], checkpoint: str, rotations: Iterable[str]) -> bytes:
    """As a file has it."""
    found = InclusionProof(
        event=msgspec.Raw(leaf.to_line(entry).strip()),
        path=tuple(b64encode(one).decode() for one in path),
        checkpoint=checkpoint,
        rotations=tuple(rotations),
    )
    return msgspec.json.format(msgspec.json.encode(found)) + b"\n"


def check(data: bytes, keys: Sequence[PublicKey]) -> ProvenEvent:
    """What it proves, by nothing but itself and the keys.

    Raises BadNote or msgspec.DecodeError on what is no proof, NotProven on one that doesn't hold.
    """
    found = msgspec.json.decode(data, type=InclusionProof)
    if found.format != FORMAT:
        raise BadNote(f"not a {FORMAT}: {found.format}")
    checkpoint = Checkpoint.parse(found.checkpoint)
    try:
        entry = leaf.from_line(bytes(found.event))
        path = [b64decode(one, validate=True) for one in found.path]
    except ValueError as error:
        raise BadNote(f"the proof can't be read: {error}") from None
    try:
        signer = Chain(keys, tuple(map(Rotation.parse, found.rotations))).verify(checkpoint)
        root = root_of_inclusion(leaf.hash_of(entry), entry.sequence - 1, checkpoint.size, path)
    except ValueError as error:
        raise NotProven(str(error)) from None
    if root != checkpoint.root:
        raise NotProven("the event isn't the one that the checkpoint covers: it, its path or its place was changed")
    return ProvenEvent(entry=entry, origin=checkpoint.origin, size=checkpoint.size, key=str(signer))
