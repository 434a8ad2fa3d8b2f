"""The session and its current mail, as the rules see them."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from varco_common.mail.delivery_options import RecipientOptions, Return
from varco_common.mail.envelope import Envelope
from varco_common.runtime.repeated_guesses import RepeatedGuesses
from varco_ingress_smtp.authentication import CachedGrant

ListenerName = Literal["smtp", "submission", "smtps"]


@dataclass(slots=True, kw_only=True)
class SessionInfo:
    """One session. `helo` is empty before EHLO; `extended` tells EHLO from HELO."""

    host: str
    listener: ListenerName
    helo: str = ""
    extended: bool = False
    tls: str = ""
    server_name: str = ""
    login: str = ""
    granted: CachedGrant | None = None
    is_health_check: bool = False  # a balancer's own: it gets a greeting and can send nothing
    mail: "Transaction | None" = None
    mails: int = 0
    guesses: RepeatedGuesses = field(default_factory=RepeatedGuesses)


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
    returns: Return | None = None
    envid: str = ""
    require_tls: bool = False
    options: dict[str, RecipientOptions] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)  # recipients over the limit whose refusal is an event

    @property
    def ascii(self) -> bool:
        """Whether all addresses are ASCII."""
        return self.sender.isascii() and all(map(str.isascii, self.recipients))

    def envelope(
        self, info: SessionInfo, *, size: int = 0, smtputf8: bool = False, eight_bit: bool = False
    ) -> Envelope:
        """For ballots and records. `smtputf8` and `eight_bit`: what the mail really needs."""
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
            returns=self.returns,
            envid=self.envid,
            require_tls=self.require_tls,
            options=tuple(self.options.values()),
        )
