"""All state of banguard, in memory: hosts, settings, logins, trusted networks, the ban table."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Self, get_args

from sqlalchemy.ext.asyncio import AsyncEngine

from varco_banguard import ban_settings, gateways, model
from varco_banguard.account_choices import ACCOUNTS, AccountChoices
from varco_banguard.ban_settings import BanSettings
from varco_banguard.claimed_names import CLAIMED_NAMES, ClaimedNames, Concerned
from varco_banguard.decide import Position
from varco_banguard.known_logins import (
    KNOWN_LOGINS,
    NETWORK_FILTERS,
    NETWORK_OWNERS,
    KnownLogin,
    LoginsOfHosts,
    UnknownLogins,
)
from varco_banguard.model import Host, active_stop, network_key
from varco_banguard.shared_hosts import USED_WITHIN, HostUse
from varco_common.base.errors import ConflictError
from varco_common.base.subjects import event, token
from varco_common.bus import Bus
from varco_common.events import (
    AnyBanguardEvent,
    AnyEvent,
    AuthFailed,
    CredentialUsed,
    GateEvent,
    GatewayDetected,
    HostEvent,
    HostFound,
)
from varco_common.events.ban_table import (
    BanTable,
    Network,
    Networks,
    address_of,
    ban_cause,
    banned_as,
    key_of,
    network_of,
    normal_address,
)
from varco_common.events.banguard import GATE
from varco_common.events.stop_table import normal_login
from varco_common.eventsourcing.account_texts import ACCOUNT_TEXTS
from varco_common.eventsourcing.projection import Projection
from varco_common.eventsourcing.projection_spec import ProjectionSpec

NAME = "banguard"
_EVENTS = get_args(AnyBanguardEvent)
HOST_FILTERS = (
    *(kind.subject_filter() for kind in _EVENTS if issubclass(kind, HostEvent)),
    GatewayDetected.subject_filter(),
)
SETTINGS_FILTERS = tuple(kind.subject_filter(GATE) for kind in _EVENTS if issubclass(kind, GateEvent))
HOSTS = ProjectionSpec("hosts", HOST_FILTERS, model.apply, Host, network_key)
BAN_SETTINGS = ProjectionSpec("gate", SETTINGS_FILTERS, ban_settings.apply, BanSettings)

NextEvent = Callable[[Host | None], HostEvent | None]
"""One decision: the event that comes next for a host, or None."""


def if_known(decide: Callable[[Host], HostEvent | None]) -> NextEvent:
    """The same decision; None for a host of which nothing is known."""
    return lambda host: decide(host) if host else None


class BanguardState:
    """Seven projections, and what is derived from them.

    `never` are networks that are never banned.
    """

    def __init__(self, bus: Bus, engine: AsyncEngine, never: Iterable[Network]) -> None:
        self._bus = bus
        self.hosts = Projection(HOSTS, bus, engine, NAME)
        self.settings_projection = Projection(BAN_SETTINGS, bus, engine, NAME)
        self.logins = Projection(KNOWN_LOGINS, bus, engine, NAME)
        self._network_owners = Projection(NETWORK_OWNERS, bus, engine, NAME)
        self._accounts = Projection(ACCOUNTS, bus, engine, NAME)
        self._names = Projection(CLAIMED_NAMES, bus, engine, NAME)
        self._claimed_names = ClaimedNames()
        self.texts = Projection(ACCOUNT_TEXTS, bus, engine, NAME)
        self.table = BanTable(never)
        self._trusted = Networks()
        self._unknown_logins = UnknownLogins()
        self._logins_of_hosts = LoginsOfHosts()
        self._versions: dict[str, int] = {}  # of hosts: the sequence that the next append expects

    @asynccontextmanager
    async def following(self) -> AsyncIterator[Self]:
        """Caught up with the bus, and following it inside the block."""
        async with AsyncExitStack() as stack:
            for projection in (
                self.hosts,
                self.settings_projection,
                self.logins,
                self._network_owners,
                self._accounts,
                self._names,
                self.texts,
            ):
                await stack.enter_async_context(projection.following())
            self._derive()
            self.hosts.on_event(self._on_host_event)
            self.settings_projection.on_event(
                lambda _, event: self.table.apply(self.settings_projection.sequence, event)
            )
            self._network_owners.on_event(self._on_network_event)
            self.logins.on_event(self._on_login_event)
            self._names.on_event(lambda name, _: self._claimed_names.put(name, self._names.get(name)))
            yield self

    @property
    def settings(self) -> BanSettings:
        return self.settings_projection.get(GATE) or BanSettings()

    @property
    def position(self) -> Position:
        """How far the ban table and the texts have come."""
        return Position(self.hosts.sequence, self.settings_projection.sequence, self.texts.sequence)

    def login(self, name: str) -> KnownLogin | None:
        """A login (in lower case) that exists, or that hosts failed at lately."""
        return self.logins.get(name) or self._unknown_logins.get(name)

    def whose(self, event: AuthFailed) -> Concerned:
        """The accounts that a failed login concerns: that of the login, if it exists."""
        login = normal_login(event.login)
        known = self.logins.get(login)
        if owner := event.account or (known.account if known else ""):
            return Concerned(accounts=(owner,))
        return self._claimed_names.concerned(login, event.server_name, self.host_owner(event.host))

    def host_owner(self, host: str) -> str:
        """The account that trusts the narrowest network with this host in it, or empty."""
        network = max(self._trusted.covering(address_of(host)), key=lambda network: network.prefixlen, default=None)
        owner = self._network_owners.get(str(network)) if network else None
        return owner.account if owner else ""

    def use_of(self, host: str, now: datetime) -> HostUse:
        """Who uses a host."""
        logins = self._logins_of_hosts.used_since(banned_as(host), now - USED_WITHIN)
        gateway, trusted = normal_address(host) in self.table.gateways, bool(self.host_owner(host))
        return HostUse(gateway=gateway, trusted=trusted, logins=logins, choices=self.choices)

    def gateways(self) -> list[Host]:
        """The hosts that hide all clients behind them, but for ignored ones."""
        counted = [address for address in self.table.gateways if not self.table.exempt(address_of(address))]
        return [host for address in counted if (host := self.hosts.get(banned_as(address)))]

    def check_gateways(self) -> None:
        """For /readyz: raises Degraded while a gateway is spared a ban."""
        gateways.check(self.gateways(), self.settings.rules, datetime.now(UTC))

    def choices(self, account: str) -> AccountChoices:
        """What an account has chosen."""
        return self._accounts.get(account) or AccountChoices()

    async def reach_uses(self) -> None:
        """Returns when the last login that was used is known, and the last network.

        Raises TransientError.
        """
        await self.logins.reach_last(CredentialUsed.subject_filter())
        await self._network_owners.reach_last(*NETWORK_FILTERS)

    def banned_around(self, network: Network, now: datetime) -> Host | None:
        """The banned host that is this network, or a wider one with this network in it."""
        ban = self.table.banned(str(network.network_address), now)
        if not ban or ban.network.prefixlen > network.prefixlen:
            return None
        return self.hosts.get(key_of(ban.network))

    async def settle(self, network: str, decide: NextEvent) -> Host | None:
        """Appends what `decide` returns for the newest state, again and again until that is None.

        Returns the state after that. Raises TransientError; the events appended by then hold, and
        another call appends the rest.
        """
        guard = event(NAME, "*", token(network))
        while True:
            if (version := self._versions.get(network)) is None:
                version = self._versions[network] = await self.hosts.version(network)
            host = self.hosts.get(network)
            if not (next_event := decide(host)):
                return host
            try:
                sequence = await self._bus.events.append(next_event, expect=version, expect_subject=guard)
            except ConflictError:  # another process of banguard, or an append whose answer was lost
                self._versions.pop(network, None)
                continue
            await self.hosts.reached(sequence)

    def _derive(self) -> None:
        for network, host in self.hosts.items():
            if host.ban:
                self.table.ban(network_of(network), host.ban.until, ban_cause(host.ban.strikes))
            self.table.gateways.update(host.gateways)
            for stop in host.active_stops:
                self.table.stops.add(network, stop.account, active_stop(stop))
            for strike in (*(host.ban.strikes if host.ban else ()), *host.strikes):
                self._on_login_event(
                    strike.login.strip().lower(), HostFound(at=strike.at, network=network, strike=strike)
                )
        for login, known in self.logins.items():
            self._logins_of_hosts.put(login, known.known)
        for account, names in self._names.items():
            self._claimed_names.put(account, names)
        for entry in self.settings.ignored:
            if not entry.account:
                self.table.ignored.add(network_of(entry.network))
        self.table.sequence = max(self.hosts.sequence, self.settings_projection.sequence)
        self._trusted = Networks(network_of(network) for network, _ in self._network_owners.items() if network)

    def _on_host_event(self, network: str, event: AnyEvent) -> None:
        if isinstance(event, HostEvent):
            self._versions[network] = self.hosts.sequence
        if self.hosts.get(network) is None:
            self._versions.pop(network)
        self.table.apply(self.hosts.sequence, event)

    def _on_login_event(self, name: str, event: AnyEvent) -> None:
        login = self.logins.get(name)
        if login is None:
            self._unknown_logins.note(name, event)
        if login is None or isinstance(event, CredentialUsed):
            self._logins_of_hosts.put(name, login.known if login else {})

    def _on_network_event(self, network: str, _: AnyEvent) -> None:
        if self._network_owners.get(network):
            self._trusted.add(network_of(network))
        else:
            self._trusted.discard(network_of(network))
