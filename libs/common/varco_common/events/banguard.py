"""The events of banguard.

Strikes, bans and their ends, ignored networks, and the rules that all this goes by.
"""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

import msgspec

from varco_common.events.base import Event
from varco_common.mail.notice_texts import Language

GATE = "gate"


class StrikeCause(StrEnum):
    """What a host can be struck for; the first three are AuthFailed's causes."""

    WRONG_CREDENTIALS = "wrong-credentials"
    INSECURE_CHANNEL = "insecure-channel"
    BROKEN_OFF = "broken-off"
    SENDER_NOT_AUTHORISED = "sender-not-authorised"


class UnbanCause(StrEnum):
    """Why a ban ended."""

    EXPIRED = "expired"
    LIFTED = "lifted"
    IGNORED = "ignored"
    FORGIVEN = "forgiven"


class SharedBecause(StrEnum):
    """Why a host stands for several people, so that a ban of it would hit those who did nothing."""

    SEVERAL_LOGINS = "several-logins"
    TRUSTED_NETWORK = "trusted-network"
    GATEWAY = "gateway"


class Strike(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One failure of `host`: the evidence. `sequence` is where its event lies in EVENTS.

    `accounts` are those that it concerns: the login's, the sender's, who has the login's domain, or
    who trusts the host's network. They may take it back; `seen_by` only see it. `mail` is the id of
    the refused mail. `weight` is what the rules gave it when it happened. `guess` is the same for
    the same wrong credentials; empty: unknown.
    """

    sequence: int
    at: datetime
    cause: StrikeCause
    host: str
    weight: int = 1
    login: str = ""
    sender: str = ""
    mail: str = ""
    accounts: tuple[str, ...] = ()
    guess: str = ""
    seen_by: tuple[str, ...] = ()

    @property
    def readers(self) -> tuple[str, ...]:
        """All accounts that see it."""
        return (*self.accounts, *self.seen_by)


class BanRules(msgspec.Struct, frozen=True, kw_only=True):
    """fail2ban's settings, by its own words (jail.conf(5)); times in seconds.

    Written out in full, as policy's rules.

    `bantime` below 0 is forever; with `bantime_increment` it is multiplied anew for each ban that
    a host had within `dbpurgeage`: by 2, 4, 8 ... times `bantime_factor`, or by
    `bantime_multipliers`, up to `bantime_maxtime` (below 0: no limit), and up to `bantime_rndtime`
    is added by chance. `strikes` has what each cause weighs; 0 is off. A login that
    `guard_maxhosts` unknown hosts fail at within `findtime` is guarded for `guard_bantime`. Without
    `count_repeats` wrong credentials that a host repeats within `findtime` weigh nothing.

    From a host that `shared_logins` logins were used from lately (0: no such host), and with
    `shared_networks` from a trusted network, unauthorised senders stop the login and ban nobody.
    """

    maxretry: int = 3
    findtime: int = 600
    bantime: int = 3_600
    bantime_increment: bool = True
    bantime_factor: float = 1.0
    bantime_multipliers: tuple[float, ...] = ()
    bantime_maxtime: int = 5 * 604_800
    bantime_rndtime: int = 0
    dbpurgeage: int = 30 * 86_400
    strikes: dict[StrikeCause, int] = msgspec.field(default_factory=lambda: dict.fromkeys(StrikeCause, 1))
    guard_maxhosts: int = 10
    guard_bantime: int = 3_600
    count_repeats: bool = True
    shared_logins: int = 2
    shared_networks: bool = True


class BanEvent(Event, frozen=True, kw_only=True, omit_defaults=True):
    """`by` is who caused it: banguard itself, or a token. `reason` is what a person gave."""

    SERVICE: ClassVar[str] = "banguard"
    by: str = ""
    reason: str = ""


class HostEvent(BanEvent, frozen=True, kw_only=True, omit_defaults=True):
    """A fact about what is banned as one.

    An IPv4 address, an IPv6 /64, or a network banned by hand.
    """

    network: str

    @property
    def key(self) -> str:
        return self.network


class HostFound(HostEvent, frozen=True, kw_only=True, omit_defaults=True, tag="host.found.v1"):
    """A strike that counts."""

    strike: Strike


class HostIgnored(HostEvent, frozen=True, kw_only=True, omit_defaults=True, tag="host.ignored.v1"):
    """A strike that doesn't count: `ignored` is the network that covers the host.

    At most one a minute for each host.
    """

    strike: Strike
    ignored: str


class HostBanned(HostEvent, frozen=True, kw_only=True, omit_defaults=True, tag="host.banned.v1"):
    """Refused everywhere until `until`; None is forever.

    `strikes` are the evidence, empty where banned by hand.

    `count` says that it is the host's n-th ban in a row.
    """

    until: datetime | None
    count: int = 1
    strikes: tuple[Strike, ...] = ()


class HostUnbanned(HostEvent, frozen=True, kw_only=True, omit_defaults=True, tag="host.unbanned.v1"):
    """Welcome again. `accounts` are those that the ban's evidence concerned."""

    cause: UnbanCause
    accounts: tuple[str, ...] = ()


class LoginStopped(HostEvent, frozen=True, kw_only=True, omit_defaults=True, tag="login.stopped.v1"):
    """Mail of one login from one host is refused until `until` (None: until somebody lifts it).

    The host itself is not banned. An empty `login` stands for what the host may send without one,
    because `account` trusts its network. `strikes` are the evidence; `count` says that it is the
    login's n-th stop in a row there. `language` and `time_zone` (an IANA name) are the account's,
    for the answer to the client.
    """

    account: str
    login: str = ""
    until: datetime | None
    count: int = 1
    because: SharedBecause
    strikes: tuple[Strike, ...] = ()
    language: Language = Language.EN
    time_zone: str = "UTC"


class LoginResumed(HostEvent, frozen=True, kw_only=True, omit_defaults=True, tag="login.resumed.v1"):
    """A stop has ended: the login, or the network if `login` is empty, may send from the host."""

    account: str
    login: str = ""
    cause: UnbanCause


class StrikesForgiven(HostEvent, frozen=True, kw_only=True, omit_defaults=True, tag="strikes.forgiven.v1"):
    """Strikes that count no more, by their sequences.

    Their sender was authorised, or their account took them back.
    """

    strikes: tuple[int, ...]


class HostForgotten(HostEvent, frozen=True, kw_only=True, omit_defaults=True, tag="host.forgotten.v1"):
    """Nothing of the host matters any more: its strikes and bans are too old."""


class GateEvent(BanEvent, frozen=True, kw_only=True, omit_defaults=True):
    """A fact about the whole gate."""

    @property
    def key(self) -> str:
        return GATE


class NetworkIgnored(GateEvent, frozen=True, kw_only=True, omit_defaults=True, tag="network.ignored.v1"):
    """Hosts in it are never banned.

    With an `account`: strikes that concern this account don't count for them.
    """

    network: str
    account: str = ""


class NetworkUnignored(GateEvent, frozen=True, kw_only=True, omit_defaults=True, tag="network.unignored.v1"):
    """Its failures count again."""

    network: str
    account: str = ""


class BanRulesChanged(GateEvent, frozen=True, kw_only=True, omit_defaults=True, tag="ban.rules.changed.v1"):
    """All of the rules as they are from now on."""

    rules: BanRules


class LoginGuarded(BanEvent, frozen=True, kw_only=True, omit_defaults=True, tag="login.guarded.v1"):
    """Many hosts guess at one login.

    Until `until` hosts that aren't among `known` wait for their turn to log in as it.

    `known` are hosts (IPv6 by /64) that it was used from; `tried` says from how many others it was
    tried. `hiding` are gateways that hide many hosts: who comes from there waits in any case.
    """

    login: str
    account: str
    until: datetime
    known: tuple[str, ...] = ()
    tried: int = 0
    hiding: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return f"login:{self.login}"  # a login may be spelled like an address


AnyBanguardEvent = (
    HostFound
    | HostIgnored
    | HostBanned
    | HostUnbanned
    | LoginStopped
    | LoginResumed
    | StrikesForgiven
    | HostForgotten
    | NetworkIgnored
    | NetworkUnignored
    | BanRulesChanged
    | LoginGuarded
)
