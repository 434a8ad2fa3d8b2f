"""The record of a mail: a message of stream MAIL, whose header has everything but the body."""

import msgspec

from varco_common.base.json_decoding import decode_json
from varco_common.mail.ballot import Vote
from varco_common.mail.envelope import Envelope
from varco_common.mime import Manifest

HEADER = "Varco-Record"


class BodyReference(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a body is, in wire form (CRLF, dot-stuffed, without the final dot).

    `object` names it in the object store; if empty, the body is the record's own payload. `size`
    and `sha256` are those of the stored wire form: the record outlives the body and proves years
    later what it was. `shift` must be added to the manifest's offsets, which count from the body as
    it was received, before header fields were added and removed. `dots` of its bytes are dots that
    wire form added (RFC 5321 4.5.2), 0 in records of versions that did not count them.
    """

    size: int
    sha256: str = ""
    object: str = ""
    shift: int = 0
    dots: int = 0


class MailAccepted(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="mail.accepted.v1"
):
    """An accepted mail with every vote that accepted it.

    `message_id` is the Message-ID that the gate gave it, if the client gave it none.
    """

    envelope: Envelope
    manifest: Manifest
    votes: tuple[Vote, ...]
    body: BodyReference
    convert: tuple[str, ...] = ()
    message_id: str = ""


class MailConverted(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="mail.converted.v1"
):
    """An accepted mail with `links` (their ids) in place of its large attachments.

    `original` is the sequence in MAIL of the mail as it was accepted, with manifest and votes.
    """

    envelope: Envelope
    body: BodyReference
    original: int
    links: tuple[str, ...] = ()


MailRecord = MailAccepted | MailConverted

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(MailRecord)


def encode_record(record: MailRecord) -> str:
    """ASCII JSON, fit for a NATS header line."""
    text = _encoder.encode(record).decode()
    return text if text.isascii() else "".join(c if c < "\x80" else _escaped(c) for c in text)


def decode_record(text: str | bytes) -> MailRecord:
    """Raises msgspec.DecodeError if the text is no record."""
    record: MailRecord = decode_json(_decoder, text)
    return record


def _escaped(char: str) -> str:
    return "".join(f"\\u{unit:04x}" for unit in memoryview(char.encode("utf-16-le", "surrogatepass")).cast("H"))
