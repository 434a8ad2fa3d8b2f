"""What is said of gateways: they hide all clients behind one address, and so are never banned."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from varco_banguard.model import Host, strikes_within, total_weight
from varco_common.base import log
from varco_common.base.errors import Degraded
from varco_common.events import BanRules

REMEMBERED_SECONDS = 3600  # how long it shows that a ban was due
REMEMBERED = timedelta(seconds=REMEMBERED_SECONDS)
_ADVICE = (
    "it hides other clients: use host networking, publish on IPv4 alone, or put a balancer that speaks PROXY in front"
)

_log = log.get(__name__)


class GatewayWarning:
    """Logs that a gateway is not banned, at most once in an hour for each."""

    def __init__(self) -> None:
        self._logged: dict[str, datetime] = {}

    def note(self, host: Host | None, rules: BanRules, now: datetime) -> None:
        """Called after each strike of the host."""
        if host is None or not is_spared(host, rules, now):
            return
        logged = self._logged.get(host.network)
        if logged is None or now - logged > REMEMBERED:
            self._logged[host.network] = now
            _log.warning(f"a gateway failed too often and is not banned: {_ADVICE}", gateways=host.gateways)


def failures(host: Host, now: datetime) -> int:
    """What its strikes of the last hour weigh."""
    return total_weight(strikes_within(host.strikes, REMEMBERED_SECONDS, now))


def is_spared(host: Host, rules: BanRules, now: datetime) -> bool:
    """Whether a ban of the last hour is missing, because the host is a gateway."""
    if not host.gateways:
        return False
    recent = strikes_within(host.strikes, REMEMBERED_SECONDS, now)
    return any(
        total_weight(strikes_within(recent[: place + 1], rules.findtime, last.at)) >= rules.maxretry
        for place, last in enumerate(recent)
    )


def check(gateways: Iterable[Host], rules: BanRules, now: datetime) -> None:
    """For /readyz: raises Degraded while a gateway is spared a ban."""
    for host in gateways:
        if is_spared(host, rules, now):
            raise Degraded(f"the gateway {', '.join(host.gateways)} failed too often and is not banned: {_ADVICE}")
