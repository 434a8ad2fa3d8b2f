"""scan(): the way into the manifest."""

import mmap

from varco_common.mime.addresses import addresses
from varco_common.mime.buffer import Buffer
from varco_common.mime.defects import Defect, DefectFound
from varco_common.mime.encoded_words import text, unworded
from varco_common.mime.headers import MAX_FIELD, Fields, bcc_ranges, unfolded
from varco_common.mime.manifest_size import MAX_ID, MAX_SUBJECT, fitted
from varco_common.mime.model import Manifest
from varco_common.mime.tree import MAX_HEADER, Tree


def scan(data: bytes | mmap.mmap) -> Manifest:
    """The manifest of a body in wire form (CRLF, dot-stuffed, without the final dot). Never raises; linear in time.

    Looked for:
    - who claims to have written it: every From and Sender, through comments, groups, folds and encoded words;
    - every part of the MIME tree, nested messages opened, with type, disposition, encoding, offsets, decoded size, and
      what its first decoded bytes look like;
    - every name that any client could give its file: RFC 2231 with and without continuations, RFC 2047 inside
      parameters, raw 8-bit, name and filename, doubles, quoted or not, comments, escapes, missing semicolons, dots and
      blanks at the end, folders, streams;
    - files inside text (uuencode, yEnc, BinHex), signatures, encryption;
    - each ambiguity that defects.py lists: double or unreadable fields, boundaries that two clients would find in two
      places, parts outside of the tree, encodings that two clients would undo in two ways, NUL, bare line ends, dots
      that weren't doubled.

    A mapped body must be a file that doesn't change: pages are dropped behind the scan, so that 100 MB stay out of
    memory.
    """
    try:
        return scan_or_raise(data)
    except Exception:  # noqa: BLE001  a bug here must refuse one mail (by its defect), not end a session
        return Manifest(defects=(Defect.SCAN_FAILED.value,))


def scan_or_raise(data: bytes | mmap.mmap) -> Manifest:
    """As `scan`, for tests and fuzzing: a bug isn't hidden behind a defect."""
    found: DefectFound = set()
    wire = Buffer(data)
    tree = Tree(wire, found)
    tree.walk()
    fields = tree.fields
    if b"from" not in fields:
        found.add(Defect.FROM_MISSING)
    manifest = Manifest(
        parts=tuple(tree.parts),
        authors=addresses(fields[b"from"], found) if b"from" in fields else (),
        senders=addresses(fields[b"sender"], found) if b"sender" in fields else (),
        message_id=text(unfolded(_first(fields, b"message-id")))[:MAX_ID],
        subject=unworded(unfolded(_first(fields, b"subject")))[:MAX_SUBJECT],
        header_end=tree.header_end,
        has_date=b"date" in fields,
        bcc=_bcc(wire, tree),
        signed=tree.signed,
        encrypted=tree.encrypted,
    )
    return fitted(manifest, found)


def _bcc(wire: Buffer, tree: Tree) -> tuple[tuple[int, int], ...]:
    if b"bcc" not in tree.fields and b"resent-bcc" not in tree.fields:
        return ()
    return bcc_ranges(wire.slice(0, min(tree.header_end, MAX_HEADER)))


def _first(fields: Fields, name: bytes) -> bytes:
    return fields[name][0][:MAX_FIELD] if name in fields else b""
