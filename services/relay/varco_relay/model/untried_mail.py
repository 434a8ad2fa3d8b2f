"""A mail that waits for its first attempt. Pure."""

from datetime import datetime
from typing import NamedTuple, Self

from varco_common.mail.record import MailRecord


class UntriedMail(NamedTuple):
    """What operators see of it. `size` is in bytes, in wire form.

    `sequence` is the place of its record in MAIL. A copy is one that archive forwards.
    """

    mail: str
    sequence: int
    account: str
    sender: str
    recipients: tuple[str, ...]
    size: int
    accepted_at: datetime
    is_copy: bool = False

    @classmethod
    def of(cls, sequence: int, record: MailRecord, *, is_copy: bool = False) -> Self:
        envelope = record.envelope
        return cls(
            mail=envelope.id,
            sequence=sequence,
            account=envelope.account,
            sender=envelope.sender,
            recipients=envelope.recipients,
            size=record.body.size,
            accepted_at=envelope.received_at,
            is_copy=is_copy,
        )
