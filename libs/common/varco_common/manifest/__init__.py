"""What a mail's body holds, found in one pass over its bytes and without a MIME parser."""

import msgspec

MAX_MANIFEST_BYTES = 16_384  # as JSON: the record's header has 64 KiB for envelope, manifest and votes


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One leaf of the MIME tree.

    `path` is IMAP's section number ("2.1"). `names` holds every name that any mail client could take for the
    file's name. `start` and `end` are offsets of the encoded content in the wire-form body; `size` is what it decodes
    to, in bytes. `kind` is what the first decoded bytes look like ("pdf", "exe", "zip", ...; empty: unknown).
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
    a closed list (see `defects.py`): each names an ambiguity that two mail clients could read in two ways.
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
