"""The events of ratelimit.

How much an account's senders may send, and who comes near to it, or wanted more.
"""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

import msgspec

from varco_common.events.base import AccountEvent


class Meter(StrEnum):
    """What is counted.

    First-time recipients are addresses that the sender hasn't written to in 90 days.
    """

    MESSAGES = "messages"
    RECIPIENTS = "recipients"
    BYTES = "bytes"
    FIRST_TIME = "first_time_recipients"


class Window(StrEnum):
    """How long a mail counts: an hour, a day, or until midnight in the account's time zone."""

    HOUR = "1 hour"
    DAY = "1 day"
    CALENDAR_DAY = "calendar day"


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """The most that passes in one window."""

    limit: int
    per: Window = Window.DAY


Limits = dict[Meter, Limit]


class Quotas(msgspec.Struct, frozen=True, kw_only=True):
    """An account's limits; what isn't in them has none.

    `permanent`: the excess is refused for good (550), not for now.

    `senders` hold for each sender by itself, `whole` for all of the account's mail together.
    `time_zone` is an IANA name.
    """

    senders: Limits = {}
    whole: Limits = {}
    time_zone: str = "UTC"
    permanent: bool = False


class QuotaEvent(AccountEvent, frozen=True, kw_only=True, omit_defaults=True):
    """A fact about one account's quotas."""

    SERVICE: ClassVar[str] = "ratelimit"


class QuotaSet(QuotaEvent, frozen=True, kw_only=True, omit_defaults=True, tag="quota.set.v1"):
    """All of an account's limits as they are from now on."""

    quotas: Quotas


class QuotaExcepted(QuotaEvent, frozen=True, kw_only=True, omit_defaults=True, tag="quota.excepted.v1"):
    """Other limits for the senders that a pattern covers, until `until` (None: forever).

    A meter that isn't in `limits` keeps the account's; one that is there with None has no limit.
    A second event for the same pattern replaces the first.
    """

    pattern: str
    limits: dict[Meter, Limit | None]
    until: datetime | None = None


class QuotaExceptionRemoved(
    QuotaEvent, frozen=True, kw_only=True, omit_defaults=True, tag="quota.exception.removed.v1"
):
    """The account's own limits hold again for a pattern."""

    pattern: str


class QuotaReset(QuotaEvent, frozen=True, kw_only=True, omit_defaults=True, tag="quota.reset.v1"):
    """What was sent before `at` counts no more.

    By `sender`, or (empty) towards the limits of the whole account.
    """

    sender: str = ""


class QuotaAlert(QuotaEvent, frozen=True, kw_only=True, omit_defaults=True):
    """A fact about traffic.

    It changes no setting, and must not make anybody lose a race for the account's settings.

    `sender` is empty where it is about the whole account. `mail` is the id of the mail with which
    it came about.
    """

    sender: str
    meter: Meter
    limit: Limit
    used: int
    mail: str

    @property
    def key(self) -> str:
        return f"{self.account}+traffic"


class QuotaNearlyReached(QuotaAlert, frozen=True, kw_only=True, omit_defaults=True, tag="quota.nearly.reached.v1"):
    """Nine tenths of a limit are used. Published once a window."""


class QuotaExceeded(QuotaAlert, frozen=True, kw_only=True, omit_defaults=True, tag="quota.exceeded.v1"):
    """A mail was refused that would have gone over a limit. Published once a window."""


AnyRatelimitEvent = QuotaSet | QuotaExcepted | QuotaExceptionRemoved | QuotaReset | QuotaNearlyReached | QuotaExceeded
