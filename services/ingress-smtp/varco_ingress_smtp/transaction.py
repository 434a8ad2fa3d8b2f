"""Who is connected, and the mail that is under way: the facts that the verbs gather."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from varco_common.mail.envelope import Envelope
from varco_ingress_smtp.authentication import CachedGrant

ListenerName = Literal["smtp", "submission", "smtps"]


@dataclass(slots=True, kw_only=True)
class SessionInfo:
    """One session as the rules see it. `helo` is empty before EHLO; `extended` says that it was EHLO and not HELO."""

    host: str
    listener: ListenerName
    helo: str = ""
    extended: bool = False
    tls: str = ""
    server_name: str = ""
    login: str = ""
    granted: CachedGrant | None = None
    is_health_check: bool = False  # a balancer's own health check: never more than a greeting
    mail: "Transaction | None" = None
    mails: int = 0


@dataclass(slots=True, kw_only=True)
class Transaction:
    """One mail from MAIL to the answer after its data."""

    id: str
    granted: CachedGrant
    sender: str
    received_at: datetime
    smtputf8: bool = False
    declared_size: int = 0
    recipients: dict[str, None] = field(default_factory=dict)
    address_bytes: int = 0
    refused: set[str] = field(default_factory=set)  # recipients beyond the limit that were stated

    @property
    def ascii(self) -> bool:
        """Whether all addresses are."""
        return self.sender.isascii() and all(map(str.isascii, self.recipients))

    def envelope(
        self, info: SessionInfo, *, size: int = 0, smtputf8: bool = False, eight_bit: bool = False
    ) -> Envelope:
        """As ballots and records carry it. `smtputf8` and `eight_bit` say what the mail needs, not what was declared."""
        return Envelope(
            id=self.id,
            account=self.granted.grant.account,
            sender=self.sender,
            recipients=tuple(self.recipients),
            host=info.host,
            received_at=self.received_at,
            size=size,
            helo=info.helo,
            login=info.login,
            tls=info.tls,
            listener=info.listener,
            smtputf8=smtputf8,
            eight_bit=eight_bit,
        )
