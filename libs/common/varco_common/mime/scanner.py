"""scan(): from the bytes of a mail to its Manifest."""

import mmap
from collections.abc import Iterator

from varco_common.mime.addresses import MAX_AUTHORS, parse_addresses
from varco_common.mime.buffer import Buffer
from varco_common.mime.defects import Defect, Defects
from varco_common.mime.display_names import MAX_DISPLAYED, displayed_addresses
from varco_common.mime.encoded_words import decode_encoded_words, to_text
from varco_common.mime.header_block import MAX_HEADER
from varco_common.mime.headers import BLANK_LINE, MAX_FIELD, Fields, find_bcc, joined_blocks, parse_fields, unfold
from varco_common.mime.manifest_size import MAX_ID, MAX_SUBJECT, limit_size
from varco_common.mime.model import Manifest
from varco_common.mime.readings import list_readings
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
    parts, enumerated = list_readings(body, tree.parts, defects) if defects else ([], ())
    headers = (fields, *_other_headers(body, tree, defects)) if enumerated else (fields,)
    authors = _addresses(headers, b"from", defects)
    senders = _addresses(headers, b"sender", defects)
    manifest = Manifest(
        parts=(*tree.parts, *parts),
        authors=authors,
        senders=senders,
        displayed=_displayed(headers, authors + senders, defects),
        message_id=to_text(unfold(_first(fields, b"message-id")))[:MAX_ID],
        subject=decode_encoded_words(unfold(_first(fields, b"subject")))[:MAX_SUBJECT],
        header_end=tree.header_end,
        has_date=bool(_first(fields, b"date").strip()),
        bcc=_bcc(body, tree),
        signed=tree.signed,
        encrypted=tree.encrypted,
        enumerated=enumerated,
    )
    return limit_size(manifest, defects)


def _displayed(headers: tuple[Fields, ...], authors: tuple[str, ...], defects: Defects) -> tuple[str, ...]:
    names = (b"from", b"sender")  # a well-formed mail has one of each
    values = [value for fields in headers for name in names for value in fields.get(name, ())[:2]]
    displayed = displayed_addresses(values, authors)
    if len(displayed) > MAX_DISPLAYED:
        defects.add(Defect.TOO_MANY_AUTHORS)
    return displayed[:MAX_DISPLAYED]


def _addresses(headers: tuple[Fields, ...], name: bytes, defects: Defects) -> tuple[str, ...]:
    """The addresses of all fields of this name, in each reading of the header."""
    if len(headers) == 1:
        return parse_addresses(headers[0][name], defects) if name in headers[0] else ()
    every = [parse_addresses(fields[name], defects) for fields in headers if name in fields]
    addresses = tuple(dict.fromkeys(address for addresses in every for address in addresses))
    if len(addresses) > MAX_AUTHORS:
        defects.add(Defect.TOO_MANY_AUTHORS)
    return addresses[:MAX_AUTHORS]


def _other_headers(body: Buffer, tree: Tree, defects: Defects) -> Iterator[Fields]:
    """The mail's header in other readings than the longest one."""
    block = body.slice(0, min(tree.header_end, MAX_HEADER)).removesuffix(b"\r\n")
    if Defect.BLANK_BEFORE_HEADER in defects and not block:
        yield parse_fields(body.slice(0, MAX_HEADER).lstrip(b"\r\n \t").partition(b"\r\n\r\n")[0], set())
    if Defect.BLANK_HEADER_LINE in defects:
        yield parse_fields(BLANK_LINE.split(block)[0], set())
        yield parse_fields(BLANK_LINE.sub(b"", block), set())
    if Defect.HEADER_WITHOUT_COLON in defects:
        for joined in joined_blocks(block):
            yield parse_fields(joined, set())


def _bcc(body: Buffer, tree: Tree) -> tuple[tuple[int, int], ...]:
    if b"bcc" not in tree.fields and b"resent-bcc" not in tree.fields:
        return ()
    return find_bcc(body.slice(0, min(tree.header_end, MAX_HEADER)))


def _first(fields: Fields, name: bytes) -> bytes:
    """The first value that is not empty."""
    return next((value[:MAX_FIELD] for value in fields.get(name, ()) if value.strip()), b"")
