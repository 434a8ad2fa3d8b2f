"""A mail that waits for its first attempt. Pure."""

from datetime import datetime
from typing import NamedTuple, Self

from varco_common.mail.record import MailRecord


class UntriedMail(NamedTuple):
    """What operators see of it. `size` is in bytes, in wire form."""

    mail: str
    account: str
    sender: str
    recipients: tuple[str, ...]
    size: int
    accepted_at: datetime

    @classmethod
    def of(cls, record: MailRecord) -> Self:
        envelope = record.envelope
        return cls(
            mail=envelope.id,
            account=envelope.account,
            sender=envelope.sender,
            recipients=envelope.recipients,
            size=record.body.size,
            accepted_at=envelope.received_at,
        )
