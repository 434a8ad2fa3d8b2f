"""The events of policy.

Accounts, who may log in, who may send what from where, and in which words a refusal is put.
"""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

import msgspec

from varco_common.events.base import AccountEvent
from varco_common.mail.notice_texts import Language, Notice


class Choice(StrEnum):
    """What becomes of the mails that a rule is about."""

    REFUSE = "refuse"
    ACCEPT = "accept"


class AtSharedHosts(StrEnum):
    """What unauthorised senders lead to at a host that several people share.

    `stop`: the login, or the network's grant, is stopped there. `ban`: the host is banned.
    """

    STOP = "stop"
    BAN = "ban"


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What an account's mails may be.

    Written out in full: a default that changes must not change earlier events.

    `max_size` is in bytes, as the mail leaves. `attachments` are extensions in lower case without
    the dot; None lets any pass. `encrypted` says what becomes of encrypted and opaquely signed
    mails (S/MIME, PGP), whose attachments can't be seen. `display_addresses` says what becomes of
    mails whose From or Sender holds an address, beside the author's, that the account may not send
    as. `unauthorised_senders` says what these lead to at a host that several people share.
    """

    max_size: int = 20_000_000
    max_recipients: int = 100
    attachments: tuple[str, ...] | None = ("pdf", "txt", "gif", "jpg", "jpeg", "png")
    encrypted: Choice = Choice.REFUSE
    display_addresses: Choice = Choice.REFUSE
    unauthorised_senders: AtSharedHosts = AtSharedHosts.STOP


class PolicyEvent(AccountEvent, frozen=True, kw_only=True, omit_defaults=True):
    """A fact about one account's settings."""

    SERVICE: ClassVar[str] = "policy"


class AccountOpened(PolicyEvent, frozen=True, kw_only=True, omit_defaults=True, tag="account.opened.v1"):
    """A new account: no logins, no senders, no networks, the default rules."""

    language: Language


class AccountClosed(PolicyEvent, frozen=True, kw_only=True, omit_defaults=True, tag="account.closed.v1"):
    """An account that is no more, with everything that it held."""


class LanguageChosen(PolicyEvent, frozen=True, kw_only=True, omit_defaults=True, tag="language.chosen.v1"):
    """The only language of an account's notices."""

    language: Language


class LanguagesChosen(PolicyEvent, frozen=True, kw_only=True, omit_defaults=True, tag="languages.chosen.v1"):
    """The languages of an account's notices, in the order in which the texts follow one another."""

    languages: tuple[Language, ...]


class TimeZoneChosen(PolicyEvent, frozen=True, kw_only=True, omit_defaults=True, tag="time.zone.chosen.v1"):
    """The time zone in which an account's users read times; an IANA name."""

    time_zone: str


class HostsNamed(PolicyEvent, frozen=True, kw_only=True, omit_defaults=True, tag="hosts.named.v1"):
    """All host names that an account's clients connect to, in lower case.

    Those not named any more are gone.
    """

    hosts: tuple[str, ...]


class CredentialAdded(PolicyEvent, frozen=True, kw_only=True, omit_defaults=True, tag="credential.added.v1"):
    """A new login, its name, and the hash of its password (PHC or crypt form).

    Logins are in lower case, and unique over all accounts.
    """

    login: str
    name: str
    hash: str


class LoginNamed(PolicyEvent, frozen=True, kw_only=True, omit_defaults=True, tag="login.named.v1"):
    """A login that exists, for services that must not read the hash of its password.

    Stored before its CredentialAdded; for logins that are older than this event, once afterwards.
    """

    login: str


class CredentialRenamed(PolicyEvent, frozen=True, kw_only=True, omit_defaults=True, tag="credential.renamed.v1"):
    """What to call a credential."""

    login: str
    name: str


class PasswordChanged(PolicyEvent, frozen=True, kw_only=True, omit_defaults=True, tag="password.changed.v1"):
    """A login's new password, hashed."""

    login: str
    hash: str


class CredentialUpgraded(PolicyEvent, frozen=True, kw_only=True, omit_defaults=True, tag="credential.upgraded.v1"):
    """The same password, hashed anew as argon2id when its owner logged in."""

    login: str
    hash: str


class CredentialRemoved(PolicyEvent, frozen=True, kw_only=True, omit_defaults=True, tag="credential.removed.v1"):
    """A login that may log in no more."""

    login: str


class CredentialDisabled(PolicyEvent, frozen=True, kw_only=True, omit_defaults=True, tag="credential.disabled.v1"):
    """A login that may not log in until it is enabled. It keeps its name and password."""

    login: str


class CredentialEnabled(PolicyEvent, frozen=True, kw_only=True, omit_defaults=True, tag="credential.enabled.v1"):
    """A login that may log in again."""

    login: str


class CredentialUsed(PolicyEvent, frozen=True, kw_only=True, omit_defaults=True, tag="credential.used.v1"):
    """A login that was used, from `host`; at most one event an hour for each.

    Its subject's key is not the bare account: being used changes nothing that a session was
    granted, and must not make anybody lose a race for the account's settings.
    """

    login: str
    host: str = ""

    @property
    def key(self) -> str:
        return f"{self.account}+{self.login}"


class SenderAuthorised(PolicyEvent, frozen=True, kw_only=True, omit_defaults=True, tag="sender.authorised.v1"):
    """A pattern of `senders.covering` that an account may send as."""

    pattern: str


class SenderWithdrawn(PolicyEvent, frozen=True, kw_only=True, omit_defaults=True, tag="sender.withdrawn.v1"):
    """A pattern that an account may send as no more."""

    pattern: str


class NetworkTrusted(PolicyEvent, frozen=True, kw_only=True, omit_defaults=True, tag="network.trusted.v1"):
    """A CIDR network that may send without AUTH; `normalise` mends what old devices send.

    That is bare line ends, a header without its end, paths without brackets. An address without a
    domain, such as `root`, then gets `domain`, unless that is empty (RFC 6409 8.1).

    A second event for the same network replaces the first.
    """

    network: str
    normalise: bool = False
    domain: str = ""


class NetworkWithdrawn(PolicyEvent, frozen=True, kw_only=True, omit_defaults=True, tag="network.withdrawn.v1"):
    """A network that is trusted no more."""

    network: str


class RulesChanged(PolicyEvent, frozen=True, kw_only=True, omit_defaults=True, tag="rules.changed.v1"):
    """All of an account's rules as they are from now on."""

    rules: Rules


class AttachmentsExcepted(PolicyEvent, frozen=True, kw_only=True, omit_defaults=True, tag="attachments.excepted.v1"):
    """What the senders that a pattern covers may attach besides, until `until` (None: for good).

    `attachments` are extensions as in Rules; None lets any pass. A second event for the same
    pattern replaces the first.
    """

    pattern: str
    attachments: tuple[str, ...] | None
    until: datetime | None = None


class AttachmentExceptionRemoved(
    PolicyEvent, frozen=True, kw_only=True, omit_defaults=True, tag="attachment.exception.removed.v1"
):
    """The account's own rules hold again for a pattern."""

    pattern: str


class NoticeWritten(PolicyEvent, frozen=True, kw_only=True, omit_defaults=True, tag="notice.written.v1"):
    """An account's own words for a text that its users read, in one language.

    `{name}`, `{limit}` ... stand for the facts.
    """

    notice: Notice
    language: Language
    text: str


class NoticeWithdrawn(PolicyEvent, frozen=True, kw_only=True, omit_defaults=True, tag="notice.withdrawn.v1"):
    """Back to Varco's own words."""

    notice: Notice
    language: Language


class TokenIssued(PolicyEvent, frozen=True, kw_only=True, omit_defaults=True, tag="token.issued.v1"):
    """A bearer token: `token` is its id, never its secret.

    `account` is its scope: an account's name, or `admin`. `until` None: it has no end.
    """

    token: str
    name: str = ""
    until: datetime | None = None


class TokenRevoked(PolicyEvent, frozen=True, kw_only=True, omit_defaults=True, tag="token.revoked.v1"):
    """A bearer token, by its id, that opens nothing any more."""

    token: str


class TokenUsed(PolicyEvent, frozen=True, kw_only=True, omit_defaults=True, tag="token.used.v1"):
    """A bearer token that an API was called with; at most one event an hour for each.

    Its subject's key is not the bare account, as that of CredentialUsed.
    """

    token: str

    @property
    def key(self) -> str:
        return f"{self.account}+{self.token}"


AnyPolicyEvent = (
    AccountOpened
    | AccountClosed
    | LanguageChosen
    | LanguagesChosen
    | TimeZoneChosen
    | HostsNamed
    | CredentialAdded
    | LoginNamed
    | CredentialRenamed
    | PasswordChanged
    | CredentialUpgraded
    | CredentialRemoved
    | CredentialDisabled
    | CredentialEnabled
    | CredentialUsed
    | SenderAuthorised
    | SenderWithdrawn
    | NetworkTrusted
    | NetworkWithdrawn
    | RulesChanged
    | AttachmentsExcepted
    | AttachmentExceptionRemoved
    | NoticeWritten
    | NoticeWithdrawn
    | TokenIssued
    | TokenRevoked
    | TokenUsed
)
