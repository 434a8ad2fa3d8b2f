"""Ballots and votes: ingress puts a ballot to the voters, and each of them answers with a vote."""

import msgspec

from varco_common.base.json_decoding import decode_json
from varco_common.mail.envelope import Envelope
from varco_common.mail.replies import Reply
from varco_common.mime import Manifest


class Ballot(msgspec.Struct, frozen=True, kw_only=True):
    """One mail put to the vote: envelope and manifest, never the body."""

    envelope: Envelope
    manifest: Manifest


class Vote(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One voter's answer to one ballot.

    `reply` tells what happened, `reason` is for operators, and `text` replaces the reply's text for
    the client (lines separated by LF). `convert` lists the paths of the parts that must be
    converted into links. `counts_on` lists parts that the voter's settings do not allow in the
    mail: the vote is valid only if they are converted. `sequence` is the stream sequence that the
    voter's state had applied: with it the vote can be cast again years later. `figures` are
    measurements that the voter needs when it reads the vote in the mail's record.
    """

    voter: str
    reply: Reply
    reason: str = ""
    text: str = ""
    convert: tuple[str, ...] = ()
    counts_on: tuple[str, ...] = ()
    sequence: int = 0
    figures: dict[str, int] = {}


def accept(voter: str, sequence: int = 0, convert: tuple[str, ...] = ()) -> Vote:
    """A vote of `voter` that accepts the mail."""
    return Vote(voter=voter, reply=Reply.ACCEPTED, sequence=sequence, convert=convert)


_encoder = msgspec.json.Encoder()
_ballots = msgspec.json.Decoder(Ballot)
_votes = msgspec.json.Decoder(Vote)


def encode(value: Ballot | Vote) -> bytes:
    """The JSON form for the bus."""
    return _encoder.encode(value)


def decode_ballot(data: bytes) -> Ballot:
    """Raises msgspec.DecodeError if the data is no ballot."""
    return decode_json(_ballots, data)


def decode_vote(data: bytes) -> Vote:
    """Raises msgspec.DecodeError if the data is no vote; it then counts as no vote at all."""
    return decode_json(_votes, data)
