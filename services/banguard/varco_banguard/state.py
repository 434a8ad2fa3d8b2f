"""All that banguard knows, in memory: hosts, rules, logins, trusted networks, and the ban table that its votes look into."""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import Self

from sqlalchemy.ext.asyncio import AsyncEngine

from varco_banguard import ban_settings, known_logins, model
from varco_banguard.ban_settings import BanSettings
from varco_banguard.decide import Position
from varco_banguard.known_logins import KnownLogin, NetworkOwner
from varco_banguard.model import Host
from varco_common.base.errors import ConflictError
from varco_common.base.subjects import event, token
from varco_common.bus import Bus
from varco_common.events import AnyEvent, GateEvent, HostEvent
from varco_common.events.ban_table import BanTable, Network, Networks, address_of, key_of, network_of
from varco_common.events.banguard import GATE
from varco_common.eventsourcing.projection import Projection
from varco_common.eventsourcing.projection_spec import ProjectionSpec

NAME = "banguard"
HOST_FACTS = ("host-found", "host-ignored", "host-banned", "host-unbanned", "strikes-forgiven", "host-forgotten")
GATE_FACTS = ("network-ignored", "network-unignored", "ban-rules-changed")
HOSTS = ProjectionSpec("hosts", tuple(event(NAME, fact, "*") for fact in HOST_FACTS), model.apply, Host)
GATES = ProjectionSpec("gate", tuple(event(NAME, fact, GATE) for fact in GATE_FACTS), ban_settings.apply, BanSettings)

Step = Callable[[Host | None], HostEvent | None]


def of_known(step: Callable[[Host], HostEvent | None]) -> Step:
    """A step that says nothing of a host of which nothing is known."""
    return lambda host: step(host) if host else None


class BanguardState:
    """Reads are answered from memory; `settle` and `change` are the only ways to add to it."""

    def __init__(
        self,
        bus: Bus,
        hosts: Projection[Host],
        gate: Projection[BanSettings],
        known: Projection[KnownLogin],
        trusted: Projection[NetworkOwner],
        *,
        never: Iterable[Network],
    ) -> None:
        self._bus, self._hosts, self._gate, self._logins, self._trusted = bus, hosts, gate, known, trusted
        self.table = BanTable(never)
        self._versions: dict[str, int] = {}
        self._networks = Networks(network_of(key) for key, _ in trusted.items() if key)
        self._fill()
        hosts.on_event(self._host_changed)
        gate.on_event(lambda _, said: self.table.apply(gate.sequence, said))
        trusted.on_event(self._trust_changed)

    @classmethod
    @asynccontextmanager
    async def open(cls, bus: Bus, engine: AsyncEngine, never: Sequence[Network]) -> AsyncIterator[Self]:
        """Caught up with the bus, and following it inside the block."""
        hosts, gate, known, trusted = (
            Projection.of(HOSTS, bus, engine, NAME),
            Projection.of(GATES, bus, engine, NAME),
            Projection.of(known_logins.KNOWN_LOGINS, bus, engine, NAME),
            Projection.of(known_logins.NETWORK_OWNERS, bus, engine, NAME),
        )
        async with AsyncExitStack() as stack:
            for projection in (hosts, gate, known, trusted):
                await stack.enter_async_context(projection.following())
            yield cls(bus, hosts, gate, known, trusted, never=never)

    # reading

    @property
    def gate(self) -> BanSettings:
        return self._gate.get(GATE) or BanSettings()

    @property
    def stand(self) -> Position:
        """How far the table has come."""
        return Position(self._hosts.sequence, self._gate.sequence)

    def host(self, network: str) -> Host | None:
        return self._hosts.get(network)

    def hosts(self) -> list[Host]:
        return [host for _, host in self._hosts.items()]

    def login(self, name: str) -> KnownLogin | None:
        return self._logins.get(name)

    def login_owner(self, login: str) -> str:
        """The account of a login in lower case; empty where nobody has it."""
        found = self._logins.get(login)
        return found.account if found else ""

    def host_owner(self, host: str) -> str:
        """The account that trusts the narrowest network with this host in it."""
        found = max(self._networks.covering(address_of(host)), key=lambda one: one.prefixlen, default=None)
        trusted = self._trusted.get(str(found)) if found else None
        return trusted.account if trusted else ""

    def banned_around(self, network: Network, now: datetime) -> Host | None:
        """What is banned with this network in it: itself, or a wider one."""
        ban = self.table.banned(str(network.network_address), now)
        if not ban or ban.network.prefixlen > network.prefixlen:
            return None
        return self.host(key_of(ban.network))

    def on_host(self, listener: Callable[[str, AnyEvent], None]) -> None:
        """Calls `listener(network, event)` after each event of a host was applied."""
        self._hosts.on_event(listener)

    async def check(self) -> None:
        """For /readyz, and before a command: raises TransientError while the database is away."""
        await self._hosts.check()

    # saying

    async def settle(self, network: str, step: Step) -> Host | None:
        """Appends what `step` says of the newest state, again and again until it has nothing to say; the state after that.

        Raises TransientError; what was said by then holds, and the rest is said when it is called again.
        """
        guard = event(NAME, "*", token(network))
        while True:
            version = self._versions.get(network)
            if version is None:
                version = self._versions[network] = await self._hosts.version(network)
            if not (said := step(self._hosts.get(network))):
                return self._hosts.get(network)
            try:
                sequence = await self._bus.events.append(said, expect=version, expect_subject=guard)
            except ConflictError:  # another process of banguard, or an append whose answer was lost
                self._versions.pop(network, None)
                continue
            await self._hosts.reached(sequence)

    async def change(self, decide: Callable[[BanSettings], GateEvent | None]) -> BanSettings:
        """Changes the rules or the ignored networks; None changes nothing. Raises what `decide` raises, and TransientError."""

        def decided(gate: BanSettings | None) -> Sequence[GateEvent]:
            said = decide(gate or BanSettings())
            return [said] if said else []

        await self._gate.commit(GATE, decided)
        return self.gate

    async def gate_reached(self, sequence: int) -> None:
        await self._gate.reached(sequence)

    async def logins_reached(self, sequence: int) -> None:
        await self._logins.reached(sequence)

    async def logins_know(self, network: str) -> None:
        """Returns once the logins have every strike that was found of this network."""
        await self._logins.reached(await self._bus.events.last_sequence(event(NAME, "host-found", token(network))))

    def _fill(self) -> None:
        for network, host in self._hosts.items():
            if host.ban:
                self.table.ban(network_of(network), host.ban.until)
        for ignored in self.gate.ignored:
            if not ignored.account:
                self.table.ignored.add(network_of(ignored.network))
        self.table.sequence = max(self._hosts.sequence, self._gate.sequence)

    def _host_changed(self, network: str, said: AnyEvent) -> None:
        self._versions[network] = self._hosts.sequence
        if self._hosts.get(network) is None:
            self._versions.pop(network)
        self.table.apply(self._hosts.sequence, said)

    def _trust_changed(self, network: str, _: AnyEvent) -> None:
        if self._trusted.get(network):
            self._networks.add(network_of(network))
        else:
            self._networks.discard(network_of(network))
