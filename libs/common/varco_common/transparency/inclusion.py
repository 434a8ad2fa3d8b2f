"""The proof that an event is in the log, as JSON that reveals no other event."""

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
    """`event` is a line of an export, `path` the base64 hashes from the leaf upwards.

    `rotations` are in order of time, the oldest first.
    """

    format: str = FORMAT
    event: msgspec.Raw
    path: tuple[str, ...]
    checkpoint: str
    rotations: tuple[str, ...] = ()


class ProvenEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A proven event: it is among the first `size` of log `origin`, signed by this key."""

    entry: LogEntry
    origin: str
    size: int
    key: str


class NotProven(ValueError):
    """The proof does not hold; the text tells why."""


def proof(entry: LogEntry, path: Sequence[bytes], checkpoint: str, rotations: Iterable[str]) -> bytes:
    """The content of a proof file."""
    content = InclusionProof(
        event=msgspec.Raw(leaf.to_line(entry).strip()),
        path=tuple(b64encode(node).decode() for node in path),
        checkpoint=checkpoint,
        rotations=tuple(rotations),
    )
    return msgspec.json.format(msgspec.json.encode(content)) + b"\n"


def check(data: bytes, keys: Sequence[PublicKey]) -> ProvenEvent:
    """Checks a proof file against trusted keys; it needs no other data.

    Raises BadNote or msgspec.DecodeError if it is no proof, NotProven if it does not hold.
    """
    content = msgspec.json.decode(data, type=InclusionProof)
    if content.format != FORMAT:
        raise BadNote(f"not a {FORMAT}: {content.format}")
    checkpoint = Checkpoint.parse(content.checkpoint)
    try:
        entry = leaf.from_line(bytes(content.event))
        path = [b64decode(node, validate=True) for node in content.path]
    except ValueError as error:
        raise BadNote(f"the proof can't be read: {error}") from None
    try:
        signer = Chain(keys, tuple(map(Rotation.parse, content.rotations))).verify(checkpoint)
        root = root_of_inclusion(leaf.hash_of(entry), entry.sequence - 1, checkpoint.size, path)
    except ValueError as error:
        raise NotProven(str(error)) from None
    if root != checkpoint.root:
        raise NotProven("the event isn't the one that the checkpoint covers: it, its path or its place was changed")
    return ProvenEvent(entry=entry, origin=checkpoint.origin, size=checkpoint.size, key=str(signer))
