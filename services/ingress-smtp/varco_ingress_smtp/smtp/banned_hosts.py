"""Banned hosts, by banguard's table in memory; a warning when a gateway hides the clients."""

from collections.abc import Callable
from datetime import UTC, datetime

from varco_common.base import log
from varco_common.events import AnyEvent, HostBanned, LoginGuarded
from varco_common.events.ban_table import ActiveBan, BanTable, Network, address_of, network_of
from varco_common.runtime.login_throttle import LoginThrottle

HIDDEN_CLIENTS_SAMPLE = 20  # connections after a start that are compared

_log = log.get(__name__)


class BannedHosts:
    """`on_ban` gets each network that is banned from now on: open sessions from it end."""

    def __init__(self, table: BanTable, login_throttle: LoginThrottle, on_ban: Callable[[Network], None]) -> None:
        self.table, self._login_throttle, self._on_ban = table, login_throttle, on_ban

    def on_event(self, event: AnyEvent) -> None:
        """Called with each event of banguard, after the table has applied it."""
        match event:
            case HostBanned(network=network):
                self._on_ban(network_of(network))
            case LoginGuarded():
                self._login_throttle.add(event)
            case _:
                pass

    def ban_of(self, host: str) -> ActiveBan | None:
        """The ban that refuses the host now."""
        return self.table.banned(host, datetime.now(UTC))

    def refuses(self, host: str) -> bool:
        """Whether the host is banned now."""
        return self.ban_of(host) is not None


class HiddenClientsWarning:
    """Warns, once after a start, when all clients seem to come from one private address.

    Then a gateway in front hides them, and a ban would hit all of them or none.
    """

    def __init__(self) -> None:
        self._left = HIDDEN_CLIENTS_SAMPLE
        self._first = ""

    def count(self, host: str) -> None:
        """Notes one connection."""
        if not self._left or not host:
            return
        self._first = self._first or host
        self._left -= 1
        if host != self._first or not _private(host):
            self._left = 0
        elif not self._left:
            _log.warning(
                "all clients seem to come from one private address: a container gateway or a NAT hides them, and a ban "
                "would hit them all; use host networking, or a balancer that speaks PROXY (VARCO_BALANCERS)",
                host=host,
            )


def _private(host: str) -> bool:
    address = address_of(host)
    return address.is_private and not address.is_loopback
