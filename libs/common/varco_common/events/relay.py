"""The events of relay: where an account's mail goes, and the outcome for each recipient."""

from datetime import date, datetime
from enum import StrEnum
from typing import ClassVar

import msgspec

from varco_common.base import subjects
from varco_common.events.base import AccountEvent, Event
from varco_common.events.oauth import OAuth


class TlsUse(StrEnum):
    """`required` verifies the next hop's certificate.

    `opportunistic` encrypts where it can, and verifies nothing.
    """

    NONE = "none"
    OPPORTUNISTIC = "opportunistic"
    REQUIRED = "required"


class Smarthost(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="smarthost"):
    """A next hop.

    `secret` is the password, sealed with relay's own key: it is of use to relay alone. With `oauth`
    a token takes its place. With `public_only` an account's own token chose the host, so it must
    not be a private address. With `mx` the host is a name whose MX records list the next hops.
    """

    host: str
    port: int
    tls: TlsUse = TlsUse.OPPORTUNISTIC
    login: str = ""
    secret: str = ""
    oauth: OAuth | None = None
    public_only: bool = False
    mx: bool = False


class Smarthosts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="smarthosts"):
    """Several next hops, in order of preference. With `balance` each gets its share of the mail."""

    hops: tuple[Smarthost, ...]
    balance: bool = False


class AddressFamilies(StrEnum):
    """Over which protocols next hops are reached."""

    BOTH = "both"
    IPV4 = "ipv4"
    IPV6 = "ipv6"


class DirectDelivery(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="mx"):
    """Each recipient's own mail servers are the next hops (RFC 5321 5.1).

    `source` has the gate's addresses that mail leaves from, one of each family at most; empty: what
    the system chooses.
    """

    tls: TlsUse = TlsUse.OPPORTUNISTIC
    families: AddressFamilies = AddressFamilies.BOTH
    source: tuple[str, ...] = ()


class Blackhole(msgspec.Struct, frozen=True, kw_only=True, tag="blackhole"):
    """Takes everything and sends nothing: for trying limits."""


Route = Smarthost | Smarthosts | DirectDelivery | Blackhole


class RouteRule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Mail from these senders to these recipients takes this route; an empty list covers all.

    Patterns are `a@b.c` (an address), `@b.c` (a domain) and `@.b.c` (its subdomains), in the form
    of `sender_patterns.normal`.
    """

    senders: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    route: Route


class RouteEvent(AccountEvent, frozen=True, kw_only=True, omit_defaults=True):
    """A fact about an account's route."""

    SERVICE: ClassVar[str] = "relay"


class RouteSet(RouteEvent, frozen=True, kw_only=True, omit_defaults=True, tag="route.set.v1"):
    """The account's mail goes this way from now on, deferred mail included."""

    route: Route


class RouteRemoved(RouteEvent, frozen=True, kw_only=True, omit_defaults=True, tag="route.removed.v1"):
    """The account has no route of its own any more: the default one holds."""


class RouteRulesSet(RouteEvent, frozen=True, kw_only=True, omit_defaults=True, tag="route.rules.set.v1"):
    """The first of these rules that covers sender and recipient says where a mail goes.

    Where none does, the account's route holds. An empty list: there are no rules any more.
    """

    rules: tuple[RouteRule, ...]


class RouteLearned(RouteEvent, frozen=True, kw_only=True, omit_defaults=True, tag="route.learned.v1"):
    """The capabilities of the next hop; published when first seen and when they change.

    `host` is `name:port`, or `blackhole`. `max_size` is in bytes; 0 where it names none. With
    `require_tls` it takes REQUIRETLS (RFC 8689), inside TLS whose certificate was verified.
    """

    host: str
    smtputf8: bool = False
    eight_bit: bool = False
    max_size: int = 0
    require_tls: bool = False


class RouteFailed(RouteEvent, frozen=True, kw_only=True, omit_defaults=True, tag="route.failed.v1"):
    """The next hop can't be reached, or won't talk: the account's mail waits.

    Published once, when it begins.
    """

    host: str
    why: str


class RouteRecovered(RouteEvent, frozen=True, kw_only=True, omit_defaults=True, tag="route.recovered.v1"):
    """The next hop answers again."""

    host: str


class RuleRouteFailed(RouteEvent, frozen=True, kw_only=True, omit_defaults=True, tag="rule.route.failed.v1"):
    """No next hop of a rule can be reached: mail that takes its route is deferred.

    `rule` says which mail that is, `host` names the next hops. Published once, when it begins.
    """

    rule: str
    host: str
    why: str


class RuleRouteRecovered(RouteEvent, frozen=True, kw_only=True, omit_defaults=True, tag="rule.route.recovered.v1"):
    """A next hop of the rule answers again."""

    rule: str
    host: str


class DeliveryHeld(RouteEvent, frozen=True, kw_only=True, omit_defaults=True, tag="delivery.held.v1"):
    """No mail of the account is tried until it is released, also mail yet to come.

    Its time runs on.
    """


class DeliveryReleased(RouteEvent, frozen=True, kw_only=True, omit_defaults=True, tag="delivery.released.v1"):
    """The account's mail is delivered again. Mails that are held one by one stay held."""


class StsMode(StrEnum):
    """What a policy asks of senders (RFC 8461 5)."""

    ENFORCE = "enforce"
    TESTING = "testing"
    NONE = "none"


class StsPolicyFetched(Event, frozen=True, kw_only=True, omit_defaults=True, tag="sts.policy.fetched.v1"):
    """The MTA-STS policy of a domain (RFC 8461), which holds for `max_age` seconds from `at` on.

    `policy` is its id in the DNS, `mx` the patterns of the hosts that may take its mail.
    """

    SERVICE: ClassVar[str] = "relay"
    domain: str
    policy: str
    mode: StsMode
    max_age: int
    mx: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return self.domain


class TlsReportSent(Event, frozen=True, kw_only=True, omit_defaults=True, tag="tls.report.sent.v1"):
    """What the gate met of a domain's TLS on one `day` (UTC) was reported to it (RFC 8460).

    `to` is the URI in the domain's TXT record, `report` the id of the report. `mail` is the id of
    the mail that brings it; empty by HTTPS. `successes` and `failures` count sessions.
    """

    SERVICE: ClassVar[str] = "relay"
    domain: str
    day: date
    to: str
    report: str
    mail: str = ""
    successes: int = 0
    failures: int = 0

    @property
    def key(self) -> str:
        return f"{self.domain} {self.day.isoformat()} {self.to}"


class Failure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why one recipient didn't get it.

    `status` is the enhanced code (RFC 3463), `answer` that of the next hop. With `by_gate` it is
    the gate's own: the next hop was not asked about this mail.
    """

    recipient: str
    status: str
    answer: str
    by_gate: bool = False


class MailOutcome(AccountEvent, frozen=True, kw_only=True, omit_defaults=True):
    """A fact about a mail: its id, and the `sequence` of its record in stream MAIL."""

    SERVICE: ClassVar[str] = "relay"
    mail: str
    sequence: int


class RoutedOutcome(MailOutcome, frozen=True, kw_only=True, omit_defaults=True):
    """What an attempt achieved for some recipients of a mail.

    `route` says how the next hop was chosen: the rule that matched, and the hops that were passed
    over. It is empty for the first next hop of the account's route. `dkim` has the domain and the
    selectors of the gate's signatures, or why there is none; empty where the next hop was not
    offered the mail.
    """

    route: str = ""
    dkim: str = ""


class MailDelivered(RoutedOutcome, frozen=True, kw_only=True, omit_defaults=True, tag="mail.delivered.v1"):
    """The next hop took it for these recipients.

    `host` is `name:port` or `blackhole`, `tls` the protocol or empty. `dsn` is the id of the
    notification for those who asked to hear of it, where the next hop sends none; else empty.
    """

    recipients: tuple[str, ...]
    host: str
    answer: str
    tls: str = ""
    attempt: int = 1
    dsn: str = ""

    @property
    def subject(self) -> str:
        """A delivery out of the queue, or with a notification, has its own subject.

        Relay follows it without every first delivery.
        """
        return (
            super().subject
            if self.attempt == 1 and not self.dsn
            else self.later_subject_filter(subjects.token(self.key))
        )

    @classmethod
    def later_subject_filter(cls, key: str = "*") -> str:
        """The subject of deliveries that took more than one attempt, or have a notification."""
        return subjects.event(cls.SERVICE, "mail-delivered-later", key)


class MailDeferred(RoutedOutcome, frozen=True, kw_only=True, omit_defaults=True, tag="mail.deferred.v1"):
    """These recipients wait until `next_at`.

    `accepted_at` is when the gate took it, `attempt` how often it tried. `dsn` is the id of the
    notification for those who asked to hear of the delay; empty if none is due.
    """

    failures: tuple[Failure, ...]
    host: str
    sender: str
    size: int
    accepted_at: datetime
    next_at: datetime
    attempt: int = 1
    dsn: str = ""


class MailBounced(RoutedOutcome, frozen=True, kw_only=True, omit_defaults=True, tag="mail.bounced.v1"):
    """Refused for good by the next hop `host`; with an empty `host`, by the gate itself.

    `dsn` is the id of the notification that the sender is owed; empty for a null sender.
    """

    failures: tuple[Failure, ...]
    host: str
    sender: str = ""
    dsn: str = ""
    attempt: int = 1


class MailExpired(RoutedOutcome, frozen=True, kw_only=True, omit_defaults=True, tag="mail.expired.v1"):
    """Tried for as long as the gate tries; `failures` hold the last answers.

    `dsn` as in MailBounced.
    """

    failures: tuple[Failure, ...]
    host: str
    sender: str = ""
    dsn: str = ""
    attempt: int = 1


class MailDropped(MailOutcome, frozen=True, kw_only=True, omit_defaults=True, tag="mail.dropped.v1"):
    """Taken out of the queue by hand, for the recipients that were still waiting."""

    recipients: tuple[str, ...]


class MailHeld(MailOutcome, frozen=True, kw_only=True, omit_defaults=True, tag="mail.held.v1"):
    """Waits in the queue until it is released; its time runs on."""


class MailReleased(MailOutcome, frozen=True, kw_only=True, omit_defaults=True, tag="mail.released.v1"):
    """No longer held; due at once."""


class MailRetryRequested(MailOutcome, frozen=True, kw_only=True, omit_defaults=True, tag="mail.hurried.v1"):
    """An operator asked for another attempt at once. (The wire name is older than the class.)"""


class SenderNotified(MailOutcome, frozen=True, kw_only=True, omit_defaults=True, tag="sender.notified.v1"):
    """The notification `dsn` that was owed for this mail is on its way.

    It is a record in stream MAIL itself.
    """

    dsn: str


AnyRelayEvent = (
    RouteSet
    | RouteRemoved
    | RouteRulesSet
    | RouteLearned
    | RouteFailed
    | RouteRecovered
    | RuleRouteFailed
    | RuleRouteRecovered
    | DeliveryHeld
    | DeliveryReleased
    | StsPolicyFetched
    | TlsReportSent
    | MailDelivered
    | MailDeferred
    | MailBounced
    | MailExpired
    | MailDropped
    | MailHeld
    | MailReleased
    | MailRetryRequested
    | SenderNotified
)
