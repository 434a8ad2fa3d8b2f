"""The events of ingress-smtp."""

from enum import StrEnum
from typing import ClassVar

from varco_common.base import subjects
from varco_common.events.base import Event
from varco_common.mail.ballot import Ballot, Vote
from varco_common.mail.replies import Reply


class AuthCause(StrEnum):
    """Why a login failed; each is a strike unless banguard's rules say otherwise."""

    WRONG_CREDENTIALS = "wrong-credentials"
    INSECURE_CHANNEL = "insecure-channel"
    BROKEN_OFF = "broken-off"


class RefusedConnections(StrEnum):
    """Why connections were turned away at the door."""

    BANNED = "banned"
    TOO_MANY = "too-many"
    TOO_MANY_FROM_HOST = "too-many-from-host"


class IngressEvent(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A fact about a host that connected."""

    SERVICE: ClassVar[str] = "ingress-smtp"


class AuthFailed(IngressEvent, frozen=True, kw_only=True, omit_defaults=True, tag="auth.failed.v1"):
    """A login that failed. `account` is empty where no account is known by the login.

    `service` is whose listener it was; it stands in the subject, and so tells who may say this.
    `guess` is the same for the same credentials: a hash, whose key is replaced each day.
    `server_name` is the name that the client connected to (SNI), in lower case.
    """

    host: str
    login: str
    cause: AuthCause
    guess: str = ""
    account: str = ""
    listener: str = ""
    server_name: str = ""
    service: str = "ingress-smtp"

    @property
    def key(self) -> str:
        return self.host

    @property
    def subject(self) -> str:
        return subjects.event(self.service, "auth-failed", subjects.token(self.key))


class MailRefused(IngressEvent, frozen=True, kw_only=True, omit_defaults=True, tag="mail.refused.v1"):
    """A mail that was refused, with the ballot and all votes, so that it can be decided again.

    `required` names the voters that had to vote, in the order in which the verdict weighs refusals.
    It is empty where ingress-smtp refused the mail without asking them, and in old events.
    """

    ballot: Ballot
    votes: tuple[Vote, ...]
    reply: Reply
    answer: str
    required: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return self.ballot.envelope.account or "-"


class RecipientRefused(IngressEvent, frozen=True, kw_only=True, omit_defaults=True, tag="recipient.refused.v1"):
    """A recipient beyond the limit (RFC 5321 4.5.3.1.10).

    Its mail may still come, with those before it.

    Stated for the first hundred of a mail.
    """

    account: str
    mail: str
    sender: str
    recipient: str
    host: str
    reply: Reply
    answer: str
    login: str = ""

    @property
    def key(self) -> str:
        return self.account


class ConnectionsRefused(IngressEvent, frozen=True, kw_only=True, omit_defaults=True, tag="connections.refused.v1"):
    """Connections of one host turned away since the last such event.

    At most one event a minute for each host.
    """

    host: str
    count: int
    cause: RefusedConnections

    @property
    def key(self) -> str:
        return self.host


class GatewayDetected(IngressEvent, frozen=True, kw_only=True, omit_defaults=True, tag="gateway.detected.v1"):
    """A default gateway of a machine or container that SMTP clients connect to.

    Clients that a container engine or NAT hides all come from it, so it is never banned. Stated
    once for each address.
    """

    host: str

    @property
    def key(self) -> str:
        return self.host


AnyIngressEvent = AuthFailed | MailRefused | RecipientRefused | ConnectionsRefused | GatewayDetected
