"""An account's terms: which attachments become links, where those lead, how long they live. `apply` folds them."""

from datetime import timedelta

import msgspec
from msgspec.structs import replace

from varco_common.events import (
    AccountClosed,
    AccountOpened,
    AnyEvent,
    Choice,
    FilelinkChosen,
    FilelinkWithdrawn,
    Language,
    LanguageChosen,
)
from varco_common.eventsourcing.projection_spec import ProjectionSpec

DEFAULT_THRESHOLD = 10_000_000  # bytes; what an account file that names none means
DEFAULT_KEEP = timedelta(days=365)

FILTERS = (
    "events.filelink.filelink-chosen.*",
    "events.filelink.filelink-withdrawn.*",
    "events.policy.account-opened.*",
    "events.policy.account-closed.*",
    "events.policy.language-chosen.*",
)


class LinkSettings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One account. `over` is in bytes of the decoded file; 0 is off, as for a new account."""

    account: str
    language: Language
    over: int = 0
    keep_seconds: int = 0
    base_url: str = ""
    signed: Choice = Choice.ACCEPT

    @property
    def keep(self) -> timedelta:
        """How long links live; the usual time where it was turned off while a mail waited for its conversion."""
        return timedelta(seconds=self.keep_seconds) if self.keep_seconds else DEFAULT_KEEP


def apply(terms: LinkSettings | None, event: AnyEvent) -> LinkSettings | None:  # noqa: PLR0911  # one return a fact
    """The terms after the event; None before the account is opened and after it is closed. Pure."""
    if isinstance(event, AccountOpened):
        return terms or LinkSettings(account=event.account, language=event.language)
    if terms is None:
        return None
    match event:
        case AccountClosed():
            return None
        case LanguageChosen():
            return replace(terms, language=event.language)
        case FilelinkChosen():
            return replace(
                terms,
                over=event.over,
                keep_seconds=event.keep_seconds,
                base_url=event.base_url,
                signed=event.signed,
            )
        case FilelinkWithdrawn():
            return LinkSettings(account=terms.account, language=terms.language)
        case _:
            return terms


PROJECTION = ProjectionSpec("terms", FILTERS, apply, LinkSettings)
