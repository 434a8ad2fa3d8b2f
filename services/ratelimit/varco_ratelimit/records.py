"""A mail's record as far as it is counted: a tenth of the work of reading it whole."""

import msgspec

from varco_ratelimit.decide import VOTER
from varco_ratelimit.figures import FIRST_TIME
from varco_ratelimit.usage import Amounts


class _Envelope(msgspec.Struct, frozen=True):
    id: str
    account: str
    sender: str
    recipients: tuple[str, ...]
    size: int = 0


class _Vote(msgspec.Struct, frozen=True):
    voter: str
    figures: dict[str, int] = {}


class CountedRecord(msgspec.Struct, frozen=True, tag_field="type", tag="mail.accepted.v1"):
    """The fields of record.MailAccepted that matter here."""

    envelope: _Envelope
    votes: tuple[_Vote, ...] = ()

    @property
    def amounts(self) -> Amounts:
        """What the mail weighs: first-time recipients as they were when it was voted on."""
        envelope = self.envelope
        first_time = next((vote.figures.get(FIRST_TIME, 0) for vote in self.votes if vote.voter == VOTER), 0)
        return (1, len(envelope.recipients), envelope.size, first_time)


decode = msgspec.json.Decoder(CountedRecord).decode  # raises msgspec.DecodeError on what is no record
