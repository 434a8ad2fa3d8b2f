"""An account's link settings: which attachments become links, where, and for how long.

Folded from events. Pure.
"""

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
)
from varco_common.eventsourcing.projection_spec import ProjectionSpec

DEFAULT_THRESHOLD = 10_000_000  # bytes, where an account file names none
DEFAULT_KEEP = timedelta(days=365)
MONTH = timedelta(days=365) / 12  # as varco_common.base.units has it

SETTINGS_EVENTS = (FilelinkChosen, FilelinkWithdrawn)
FILTERS = tuple(event.subject_filter() for event in (*SETTINGS_EVENTS, AccountOpened, AccountClosed))


class LinkSettings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One account. `over` is in bytes of the decoded file; 0 is off, as for a new account."""

    account: str
    over: int = 0
    keep_seconds: int = 0
    base_url: str = ""
    signed: Choice = Choice.ACCEPT

    @property
    def keep(self) -> timedelta:
        """How long links live. The default holds if links were turned off while a mail waited."""
        return timedelta(seconds=self.keep_seconds) if self.keep_seconds else DEFAULT_KEEP


def apply(settings: LinkSettings | None, event: AnyEvent) -> LinkSettings | None:
    """The settings after the event. None before the account is opened and after it is closed."""
    if isinstance(event, AccountOpened):
        return settings or LinkSettings(account=event.account)
    if settings is None:
        return None
    match event:
        case AccountClosed():
            return None
        case FilelinkChosen():
            return replace(
                settings,
                over=event.over,
                keep_seconds=event.keep_seconds,
                base_url=event.base_url,
                signed=event.signed,
            )
        case FilelinkWithdrawn():
            return LinkSettings(account=settings.account)
        case _:
            return settings


PROJECTION = ProjectionSpec("terms", FILTERS, apply, LinkSettings, settings=SETTINGS_EVENTS)
