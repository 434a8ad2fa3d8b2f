"""Who is turned away before any banner, and who waits for a turn to log in: banguard's table, held in memory."""

from collections.abc import Callable
from datetime import UTC, datetime

from varco_common.base import log
from varco_common.events import AnyEvent, HostBanned, LoginGuarded
from varco_common.events.ban_table import BanTable, Network, address_of, network_of
from varco_common.runtime.login_throttle import LoginThrottle

HIDDEN_CLIENTS_SAMPLE = 20  # connections after which it is judged whether all come from one address

_log = log.get(__name__)


class BannedHosts:
    """`on_ban` is called with each network that is banned from now on."""

    def __init__(self, table: BanTable, login_throttle: LoginThrottle, on_ban: Callable[[Network], None]) -> None:
        self.table, self._login_throttle, self._on_ban = table, login_throttle, on_ban

    def heard(self, said: AnyEvent) -> None:
        match said:
            case HostBanned(network=network):
                self._on_ban(network_of(network))
            case LoginGuarded():
                self._login_throttle.add(said)
            case _:
                pass

    def refuses(self, host: str) -> bool:
        return self.table.banned(host, datetime.now(UTC)) is not None


class HiddenClientsWarning:
    """Warns, once after a start, where all clients seem to come from one private address: a gateway in front hides them.

    Then a ban would hit all of them at once, or none.
    """

    def __init__(self) -> None:
        self._left = HIDDEN_CLIENTS_SAMPLE
        self._first = ""

    def saw(self, host: str) -> None:
        if not self._left or not host:
            return
        self._first = self._first or host
        self._left -= 1
        if host != self._first or not _private(host):
            self._left = 0
        elif not self._left:
            _log.warning(
                "all clients seem to come from one private address: a container gateway or a NAT hides them, and a ban "
                "would hit them all; use host networking, or a balancer that speaks PROXY (VARCO_INGRESS_BALANCERS)",
                host=host,
            )


def _private(host: str) -> bool:
    address = address_of(host)
    return address.is_private and not address.is_loopback
