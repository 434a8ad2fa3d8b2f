"""The events of archive.

How an account's mail is copied, by whose word, and what became of the copies.
"""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from varco_common.events.base import AccountEvent


class CopySource(StrEnum):
    """Which of a mail's two forms is copied, where filelink makes a second one."""

    GIVEN = "given"
    SENT = "sent"


class CopyForm(StrEnum):
    """How a copy is forwarded.

    The mail itself, or as an attachment of a report with its envelope in the text.
    """

    PLAIN = "plain"
    JOURNAL = "journal"


class RemovalCause(StrEnum):
    """Why a copy is gone from the mailbox."""

    RETENTION = "retention"
    CLIENT = "client"
    OPERATOR = "operator"


class ArchiveEvent(AccountEvent, frozen=True, kw_only=True, omit_defaults=True):
    """A fact about how one account's mail is copied."""

    SERVICE: ClassVar[str] = "archive"


class SendersTold(ArchiveEvent, frozen=True, kw_only=True, omit_defaults=True, tag="senders.told.v1"):
    """A person confirms that the account's senders know of the copies.

    `statement` says who told them, and when.
    """

    statement: str


class MailboxOpened(ArchiveEvent, frozen=True, kw_only=True, omit_defaults=True, tag="mailbox.opened.v1"):
    """Mails accepted from now on are copied to a POP3 mailbox with this login.

    A second event for the same login changes the password.
    """

    login: str
    hash: str


class MailboxNamed(ArchiveEvent, frozen=True, kw_only=True, omit_defaults=True, tag="mailbox.named.v1"):
    """The login of a mailbox, for services that must not read the hash of its password.

    Stored before its MailboxOpened; for mailboxes that are older than this event, once afterwards.
    """

    login: str


class MailboxClosed(ArchiveEvent, frozen=True, kw_only=True, omit_defaults=True, tag="mailbox.closed.v1"):
    """The mailbox is no more, with the copies in it."""


class ForwardingSet(ArchiveEvent, frozen=True, kw_only=True, omit_defaults=True, tag="forwarding.set.v1"):
    """Copies of mails accepted from now on go to `address`.

    `return_path` is their envelope sender; empty is `<>`.
    """

    address: str
    form: CopyForm
    return_path: str = ""


class ForwardingStopped(ArchiveEvent, frozen=True, kw_only=True, omit_defaults=True, tag="forwarding.stopped.v1"):
    """Mails accepted from now on are forwarded no more."""


class RetentionSet(ArchiveEvent, frozen=True, kw_only=True, omit_defaults=True, tag="retention.set.v1"):
    """Copies are removed from the mailbox so many seconds after they arrived."""

    seconds: int


class SourceChosen(ArchiveEvent, frozen=True, kw_only=True, omit_defaults=True, tag="source.chosen.v1"):
    """Copies are of the mails as they were given by their senders, or as they were sent on."""

    source: CopySource


class CopyEvent(ArchiveEvent, frozen=True, kw_only=True, omit_defaults=True):
    """A fact about copies.

    Its subject's key is not the bare account: it changes no setting, and must not make a change of
    settings fail.
    """

    @property
    def key(self) -> str:
        return f"{self.account}+copies"


class CopyForwarded(CopyEvent, frozen=True, kw_only=True, omit_defaults=True, tag="copy.forwarded.v1"):
    """A copy of `mail` is on its way to `address`: it is the record of id `copy` in stream MAIL."""

    mail: str
    copy: str
    address: str


class CopyBounced(CopyEvent, frozen=True, kw_only=True, omit_defaults=True, tag="copy.bounced.v1"):
    """A forwarded copy won't get there.

    Refused for good, given up, or gone before it could be made (no `copy` then).
    """

    mail: str
    copy: str
    address: str
    answer: str


class CopyRemoved(CopyEvent, frozen=True, kw_only=True, omit_defaults=True, tag="copy.removed.v1"):
    """The copies of these mails are gone from the mailbox."""

    mails: tuple[str, ...]
    cause: RemovalCause


class CopyExported(CopyEvent, frozen=True, kw_only=True, omit_defaults=True, tag="copy.exported.v1"):
    """Copies are exported over the API: those of mails that arrived in [since, until)."""

    since: datetime
    until: datetime


class MailboxCollected(CopyEvent, frozen=True, kw_only=True, omit_defaults=True, tag="mailbox.collected.v1"):
    """A POP3 client fetched copies, or found nothing new.

    At most one event an hour for each mailbox.
    """


AnyArchiveEvent = (
    SendersTold
    | MailboxOpened
    | MailboxNamed
    | MailboxClosed
    | ForwardingSet
    | ForwardingStopped
    | RetentionSet
    | SourceChosen
    | CopyForwarded
    | CopyBounced
    | CopyRemoved
    | CopyExported
    | MailboxCollected
)
