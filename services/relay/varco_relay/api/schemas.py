"""What relay's API takes and gives, as JSON."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from varco_relay.model.untried_mail import UntriedMail


class HopOut(BaseModel):
    """A next hop; `down` says why it takes no mail, empty if it does."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    down: str = Field(validation_alias="down_reason")


class RouteOut(BaseModel):
    """`route` is as in an account file, without passwords; None if the default route holds.

    `waiting` says why mail waits, and `since` when, if it is known; `held`, that a person holds it.
    `version` is for If-Match.
    """

    account: str
    route: dict[str, Any] | Literal["blackhole", "mx"] | None
    goes_to: str
    waiting: str
    since: datetime | None = None
    version: int
    smtputf8: bool | None = None
    eight_bit: bool | None = None
    max_size: int | None = None
    untried: int = 0
    held: bool = False
    hops: list[HopOut] = []


class RouteState(StrEnum):
    """Whether an account's mail leaves: down and none are faults, held is a person's wish."""

    UP = "up"
    DOWN = "down"
    NONE = "none"
    HELD = "held"


class RouteHealthOut(BaseModel):
    """`words` say why mail waits, such as the next hop's answer, and `since` when, if it is known.

    `untried` mails wait for their first attempt, `queued` ones for another. `hops` are those that
    the account's routes name.
    """

    account: str
    goes_to: str
    state: RouteState
    words: str
    since: datetime | None
    untried: int
    queued: int
    hops: list[HopOut]


class RouteHealthPage(BaseModel):
    """`next` is the cursor of the next page, empty on the last."""

    routes: list[RouteHealthOut]
    next: str
    total: int


class RouteRulesOut(BaseModel):
    """`routes` is as in an account file, without passwords. `version` is for If-Match."""

    account: str
    routes: list[dict[str, Any]]
    version: int


class FailureOut(BaseModel):
    """The last answer to one recipient."""

    model_config = ConfigDict(from_attributes=True)

    recipient: str
    status: str
    answer: str


class DeliveryOut(BaseModel):
    """The recipients of a mail that were deferred together.

    `route` says how their next hop was chosen; empty for the first of the account's route.
    """

    model_config = ConfigDict(from_attributes=True)

    next_at: datetime | None
    attempts: int = Field(validation_alias="attempt")
    next_hop: str = Field(validation_alias="host")
    route: str
    failures: list[FailureOut]


class QueuedOut(BaseModel):
    """One mail that waits; the fields of its next delivery, and each of them in `deliveries`."""

    model_config = ConfigDict(from_attributes=True)

    mail: str
    account: str
    sender: str
    size: int
    accepted_at: datetime | None
    next_at: datetime | None
    attempts: int = Field(validation_alias="attempt")
    next_hop: str = Field(validation_alias="host")
    held: bool
    failures: list[FailureOut]
    deliveries: list[DeliveryOut] = Field(default=[], validation_alias="waiting")


class UntriedOut(BaseModel):
    """A mail that had no attempt yet.

    `waits_for` says why; empty if it is being tried.
    """

    mail: str
    account: str
    sender: str
    recipients: list[str]
    size: int
    accepted_at: datetime
    next_hop: str = ""
    waits_for: str = ""

    @classmethod
    def of(cls, mail: UntriedMail, next_hop: str, waits_for: str) -> Self:
        return cls.model_validate({**mail._asdict(), "next_hop": next_hop, "waits_for": waits_for})

    def as_queued(self) -> QueuedOut:
        """As a mail in the queue, with the reason as the answer to each recipient."""
        waiting = [FailureOut(recipient=recipient, status="", answer=self.waits_for) for recipient in self.recipients]
        state = {"attempt": 0, "host": self.next_hop, "next_at": None, "held": False, "failures": waiting}
        return QueuedOut.model_validate({**self.model_dump(), **state})


class QueuePage(BaseModel):
    """A page of the queue, oldest first.

    `next` is the cursor of the next page, empty on the last. The first page has the oldest mails
    that had no attempt yet, of which there are `untried`.
    """

    mails: list[QueuedOut]
    next: str
    total: int
    oldest_seconds: float
    untried: int
    untried_mails: list[UntriedOut] = []


class RouteTestOut(BaseModel):
    """What the next hop says to a connection that sends no mail. `why` is empty if it is ready.

    `tls` is the protocol; empty for none. `max_size` 0: it names no limit.
    """

    account: str
    goes_to: str
    ready: bool
    why: str = ""
    tls: str = ""
    login: str = ""
    smtputf8: bool = False
    eight_bit: bool = False
    max_size: int = 0
    seconds: float = 0.0


class QueueReasonIn(BaseModel):
    """Why it is done; it goes into the event."""

    reason: str = Field(default="", max_length=1_000)


class DropIn(BaseModel):
    """A mail that is dropped is lost: say why."""

    reason: str = Field(min_length=3, max_length=1_000)


class TouchedOut(BaseModel):
    """How many mails a command did something with."""

    mails: int


class DroppedOut(TouchedOut):
    """As TouchedOut; `left` mails still wait for their first attempt.

    `more` of them would be dropped by the same request once more.
    """

    left: int
    more: int = 0
