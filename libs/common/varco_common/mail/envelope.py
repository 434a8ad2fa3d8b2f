"""The envelope of a mail: all that SMTP transmits before the body."""

from datetime import datetime
from typing import Literal

import msgspec

from varco_common.mail.delivery_options import Notify, RecipientOptions, Return

# Of one envelope: the record's header takes 64 KiB, and RFC 5321 4.5.3.1.8 asks for 100 x 256.
MAX_ADDRESS_BYTES = 40_960


class Envelope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One mail transaction.

    `sender` is empty for the null sender `<>`. Addresses are as the client sent them, without
    brackets.
    `size` counts the bytes of the body as received (wire form). `received_at` is UTC. `returns` and
    `envid` (as it was sent) are RET and ENVID of RFC 3461, `options` has the recipients for which
    the client gave any. With `require_tls` the mail leaves over verified TLS alone (RFC 8689). With
    `any_tls` what a recipient's domain asks of TLS holds it up no more (RFC 8460 5.3).
    """

    id: str
    account: str
    sender: str
    recipients: tuple[str, ...]
    host: str
    received_at: datetime
    size: int = 0
    helo: str = ""
    login: str = ""
    tls: str = ""
    listener: Literal["smtp", "submission", "smtps", "internal"] = "smtp"
    smtputf8: bool = False
    eight_bit: bool = False
    returns: Return | None = None
    envid: str = ""
    require_tls: bool = False
    any_tls: bool = False
    options: tuple[RecipientOptions, ...] = ()

    def wants(self, recipient: str, when: Notify) -> bool:
        """Whether the sender wants to hear of it."""
        return self.options_of(recipient).wants(when)

    def options_of(self, recipient: str) -> RecipientOptions:
        none = RecipientOptions(recipient=recipient)
        return next((options for options in self.options if options.recipient == recipient), none)


def domain_of(address: str) -> str:
    """The part after the last `@`, in lower case; empty if there is none."""
    return address.rpartition("@")[2].lower() if "@" in address else ""
