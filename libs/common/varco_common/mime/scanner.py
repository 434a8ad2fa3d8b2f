"""scan(): from the bytes of a mail to its Manifest."""

import mmap

from varco_common.mime.addresses import parse_addresses
from varco_common.mime.buffer import Buffer
from varco_common.mime.defects import Defect, Defects
from varco_common.mime.display_names import MAX_DISPLAYED, displayed_addresses
from varco_common.mime.encoded_words import decode_encoded_words, to_text
from varco_common.mime.header_block import MAX_HEADER
from varco_common.mime.headers import MAX_FIELD, Fields, find_bcc, unfold
from varco_common.mime.manifest_size import MAX_ID, MAX_SUBJECT, limit_size
from varco_common.mime.model import Manifest
from varco_common.mime.tree import Tree


def scan(data: bytes | mmap.mmap) -> Manifest:
    """The manifest of a mail in wire form (CRLF, dot-stuffed, without the final dot).

    Never raises, and takes linear time. It finds
    - the authors: every From and Sender, through comments, groups, folds and encoded words;
    - every part of the MIME tree, nested messages included, with type, disposition, encoding,
      offsets, decoded size and the kind of its first decoded bytes;
    - every name that a client could give a part's file: RFC 2231 with and without continuations,
      RFC 2047 inside parameters, raw 8-bit, name and filename, duplicates, quoted or not, comments,
      escapes, missing semicolons, final dots and blanks, folders, streams;
    - files inside text (uuencode, yEnc, BinHex), signatures, encryption;
    - the ambiguities in defects.py: double or unreadable fields, boundaries with two positions,
      parts outside of the tree, encodings that two clients decode in two ways, NUL, bare line
      ends, dots that were not doubled.

    A mapped file must not change: pages are released behind the scan, which keeps 100 MB out of
    memory.
    """
    try:
        return scan_or_raise(data)
    except Exception:  # noqa: BLE001 - a bug refuses one mail by this defect; it must not end a session
        return Manifest(defects=(Defect.SCAN_FAILED.value,))


def scan_or_raise(data: bytes | mmap.mmap) -> Manifest:
    """As `scan`, but raises on a bug: for tests and fuzzing."""
    defects: Defects = set()
    body = Buffer(data)
    tree = Tree(body, defects)
    tree.walk()
    fields = tree.fields
    if b"from" not in fields:
        defects.add(Defect.FROM_MISSING)
    authors = parse_addresses(fields[b"from"], defects) if b"from" in fields else ()
    senders = parse_addresses(fields[b"sender"], defects) if b"sender" in fields else ()
    manifest = Manifest(
        parts=tuple(tree.parts),
        authors=authors,
        senders=senders,
        displayed=_displayed(fields, authors + senders, defects),
        message_id=to_text(unfold(_first(fields, b"message-id")))[:MAX_ID],
        subject=decode_encoded_words(unfold(_first(fields, b"subject")))[:MAX_SUBJECT],
        header_end=tree.header_end,
        has_date=bool(_first(fields, b"date").strip()),
        bcc=_bcc(body, tree),
        signed=tree.signed,
        encrypted=tree.encrypted,
    )
    return limit_size(manifest, defects)


def _displayed(fields: Fields, authors: tuple[str, ...], defects: Defects) -> tuple[str, ...]:
    values = (*fields.get(b"from", ())[:2], *fields.get(b"sender", ())[:2])  # a well-formed mail has one of each
    displayed = displayed_addresses(values, authors)
    if len(displayed) > MAX_DISPLAYED:
        defects.add(Defect.TOO_MANY_AUTHORS)
    return displayed[:MAX_DISPLAYED]


def _bcc(body: Buffer, tree: Tree) -> tuple[tuple[int, int], ...]:
    if b"bcc" not in tree.fields and b"resent-bcc" not in tree.fields:
        return ()
    return find_bcc(body.slice(0, min(tree.header_end, MAX_HEADER)))


def _first(fields: Fields, name: bytes) -> bytes:
    """The first value that is not empty."""
    return next((value[:MAX_FIELD] for value in fields.get(name, ()) if value.strip()), b"")
