"""Keeps a manifest below MAX_MANIFEST_BYTES, whatever the mail holds."""

import json
from itertools import accumulate

import msgspec

from varco_common.mime.defects import Defect, Defects, defect_words
from varco_common.mime.model import MAX_MANIFEST_BYTES, Manifest, Part

MAX_SUBJECT = 200  # characters
MAX_ID = 250
_FEW_PARTS = 8
_ROOM = MAX_MANIFEST_BYTES - 1_536  # for all defects at once, and punctuation


def limit_size(manifest: Manifest, defects: Defects) -> Manifest:
    """The manifest with its defects. Cuts parts from its end if it is too large: a defect, too."""
    if len(manifest.parts) <= _FEW_PARTS and _characters(manifest) * 6 < _ROOM // 2:  # \uffff takes six bytes
        return msgspec.structs.replace(manifest, defects=defect_words(defects)) if defects else manifest
    bare = msgspec.structs.replace(manifest, parts=(), defects=())
    room = _ROOM - _bytes(bare)
    if room < _ROOM // 2:
        bare, room = _with_few_addresses(bare, defects)
    parts = list(manifest.parts)
    sizes = [_bytes(part) + 1 for part in parts]
    if sum(sizes) > room:
        parts = [msgspec.structs.replace(part, content_id="", charset="") for part in parts]
        sizes = [_bytes(part) + 1 for part in parts]
    if sum(sizes) > room:
        defects.add(Defect.MANIFEST_CUT)
        parts = parts[: sum(total <= room for total in accumulate(sizes))]
    return msgspec.structs.replace(bare, parts=tuple(parts), defects=defect_words(defects))


def _with_few_addresses(bare: Manifest, defects: Defects) -> tuple[Manifest, int]:
    """Cuts authors, senders and Bcc fields; the first ones stay."""
    defects.add(Defect.MANIFEST_CUT)
    bare = msgspec.structs.replace(
        bare, authors=bare.authors[:3], senders=bare.senders[:1], displayed=(), bcc=bare.bcc[:32]
    )
    return bare, _ROOM - _bytes(bare)


def _characters(manifest: Manifest) -> int:
    parts = 40 * len(manifest.parts) + sum([_part_characters(part) for part in manifest.parts])
    addresses = sum([len(address) for address in (*manifest.authors, *manifest.senders, *manifest.displayed)])
    return parts + addresses + 4 * len(manifest.bcc) + len(manifest.message_id) + len(manifest.subject)


def _part_characters(part: Part) -> int:
    words = len(part.media_type) + len(part.disposition) + len(part.encoding) + len(part.charset) + len(part.content_id)
    return words + sum([len(name) for name in part.names])


def _bytes(value: Manifest | Part) -> int:
    """Size as ASCII JSON, the form in a record's header."""
    return len(json.dumps(msgspec.to_builtins(value), separators=(",", ":")))
