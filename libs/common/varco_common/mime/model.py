"""The manifest: what a mail's body holds, as ballots and records carry it."""

import msgspec

MAX_MANIFEST_BYTES = 16_384  # as ASCII JSON: the record's header has 64 KiB for envelope, manifest and votes


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One part of the MIME tree: each leaf, each message/rfc822 (before what it holds), each multipart with a name.

    `path` is IMAP's section number ("2.1"); a file inside a text adds "/1", a named multipart has "0" at its end where
    IMAP gives it no number. `names` holds every name that any mail client could take for the file's name, the likeliest
    first. `start` and `end` are offsets of the encoded content in the wire-form body; `size` is what it decodes to, in
    bytes (an upper bound for uuencode, yEnc, BinHex and messages). `kind` is what the first decoded bytes look like (a word of
    kinds.py; empty: unknown).
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


class Manifest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A body's parts, the addresses that it claims to come from, and all that is odd about it.

    `authors` are the addresses of every From field, `senders` those of every Sender field. `defects` are words of
    the closed list in `defects.py`: each names an ambiguity that two mail clients could read in two ways. `header_end`
    is where the last header field ends: there stands the empty line, or the end of the mail. `bcc` are the offsets
    (start, end) of the Bcc fields with their line ends, neighbours in one;
    a header that is too long (a defect) may have more of them.
    """

    parts: tuple[Part, ...] = ()
    defects: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()
    message_id: str = ""
    subject: str = ""
    header_end: int = 0
    has_date: bool = False
    bcc: tuple[tuple[int, int], ...] = ()
    signed: bool = False
    encrypted: bool = False
