"""The manifest of a mail, as ballots and records contain it."""

import msgspec

MAX_MANIFEST_BYTES = 16_384  # as ASCII JSON: a record's header has 64 KiB for envelope, manifest and votes


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One part: each leaf, each message/rfc822 (before its own parts), each multipart with a name.

    `path` is IMAP's section number ("2.1"). A file inside a text adds "/1"; a named multipart
    without a number in IMAP ends in "0". `names` has every name that a mail client could take for
    the file's, the likeliest first. `start` and `end` are offsets of the encoded content in the
    wire-form body. `size` is in decoded bytes (an upper bound for uuencode, yEnc, BinHex and
    messages). `kind` is a word of file_kinds.py, by the first decoded bytes; empty: unknown.
    `reading` is empty in the likeliest reading. Else it names the defects because of which some
    clients show this part, whose path and offsets are approximate.
    """

    path: str
    media_type: str
    start: int
    end: int
    size: int
    names: tuple[str, ...] = ()
    disposition: str = ""
    encoding: str = "7bit"
    charset: str = ""
    content_id: str = ""
    kind: str = ""
    reading: str = ""


class Manifest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The parts of a body, the addresses that it names as its origin, and its defects.

    `authors` are the addresses of every From field, `senders` those of every Sender field.
    `displayed` are further addresses in those fields, as a display name holds one.
    `defects` are words of the closed list in defects.py. For those in `enumerated`, `parts` has the
    parts of every reading; the others could hide something that is not listed. `header_end` is the
    offset where the last header field ends, before the empty line. `bcc` has the offsets (start,
    end) of the Bcc fields with their line ends, adjacent ones in one; a header that is too long (a
    defect) may have more.
    """

    parts: tuple[Part, ...] = ()
    defects: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()
    displayed: tuple[str, ...] = ()
    message_id: str = ""
    subject: str = ""
    header_end: int = 0
    has_date: bool = False
    bcc: tuple[tuple[int, int], ...] = ()
    signed: bool = False
    encrypted: bool = False
    enumerated: tuple[str, ...] = ()
