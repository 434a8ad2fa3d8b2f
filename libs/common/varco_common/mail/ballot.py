"""Ballots and votes: what ingress asks of the voters, and what each of them answers."""

import msgspec

from varco_common.mail.envelope import Envelope
from varco_common.mail.replies import Reply
from varco_common.mime import Manifest


class Ballot(msgspec.Struct, frozen=True, kw_only=True):
    """One mail put to the vote: envelope and manifest, never the body."""

    envelope: Envelope
    manifest: Manifest


class Vote(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One voter's answer to one ballot.

    `reply` names what happened; `reason` is for operators; `text` replaces the reply's own text towards the client (lines
    parted by LF). `convert` lists the paths of the parts that filelink shall turn into links; `counts_on` those that must become
    links, or this yes is none: by the voter's own settings the mail may not leave with them. `sequence` is the stream sequence
    that the voter's state had applied: with it the vote can be cast again, years later. `figures` are what the voter
    measured and will want to know again when it meets the vote in the mail's record.
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
    """A yes, cast by `voter`."""
    return Vote(voter=voter, reply=Reply.ACCEPTED, sequence=sequence, convert=convert)


_encoder = msgspec.json.Encoder()
_ballots = msgspec.json.Decoder(Ballot)
_votes = msgspec.json.Decoder(Vote)


def encode(value: Ballot | Vote) -> bytes:
    """JSON, as it travels."""
    return _encoder.encode(value)


def decode_ballot(data: bytes) -> Ballot:
    """Raises msgspec.DecodeError on what is no ballot."""
    return _ballots.decode(data)


def decode_vote(data: bytes) -> Vote:
    """Raises msgspec.DecodeError on what is no vote: that is never a yes."""
    return _votes.decode(data)
