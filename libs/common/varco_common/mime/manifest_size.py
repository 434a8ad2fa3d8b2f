"""Keeps a manifest below MAX_MANIFEST_BYTES, whatever the mail holds."""

import json
from itertools import accumulate

import msgspec

from varco_common.mime.defects import Defect, DefectFound, words
from varco_common.mime.model import MAX_MANIFEST_BYTES, Manifest, Part

MAX_SUBJECT = 200  # characters
MAX_ID = 250
_FEW = 8
_ROOM = MAX_MANIFEST_BYTES - 1_536  # for all defects at once, and punctuation


def fitted(manifest: Manifest, found: DefectFound) -> Manifest:
    """The manifest with its defects, shortened from its end where it is too big, which is a defect itself."""
    if len(manifest.parts) <= _FEW and _characters(manifest) * 6 < _ROOM // 2:  # \uffff takes six bytes
        return msgspec.structs.replace(manifest, defects=words(found)) if found else manifest
    bare = msgspec.structs.replace(manifest, parts=(), defects=())
    room = _ROOM - _bytes(bare)
    if room < _ROOM // 2:
        bare, room = _without_much(bare, found)
    parts = list(manifest.parts)
    sizes = [_bytes(part) + 1 for part in parts]
    if sum(sizes) > room:
        parts = [msgspec.structs.replace(part, content_id="", charset="") for part in parts]
        sizes = [_bytes(part) + 1 for part in parts]
    if sum(sizes) > room:
        found.add(Defect.MANIFEST_CUT)
        parts = parts[: sum(total <= room for total in accumulate(sizes))]
    return msgspec.structs.replace(bare, parts=tuple(parts), defects=words(found))


def _without_much(bare: Manifest, found: DefectFound) -> tuple[Manifest, int]:
    """Many long authors: the first ones stay."""
    found.add(Defect.MANIFEST_CUT)
    bare = msgspec.structs.replace(bare, authors=bare.authors[:3], senders=bare.senders[:1], bcc=bare.bcc[:32])
    return bare, _ROOM - _bytes(bare)


def _characters(manifest: Manifest) -> int:
    parts = 40 * len(manifest.parts) + sum([_part_characters(part) for part in manifest.parts])
    claims = sum([len(address) for address in (*manifest.authors, *manifest.senders)])
    return parts + claims + 4 * len(manifest.bcc) + len(manifest.message_id) + len(manifest.subject)


def _part_characters(part: Part) -> int:
    words = len(part.media_type) + len(part.disposition) + len(part.encoding) + len(part.charset) + len(part.content_id)
    return words + sum([len(name) for name in part.names])


def _bytes(value: Manifest | Part) -> int:
    """As ASCII JSON, which is how a record's header carries it."""
    return len(json.dumps(msgspec.to_builtins(value), separators=(",", ":")))
