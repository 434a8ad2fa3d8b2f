"""The settings of bans: the rules and the ignored networks.

One state for the whole product, folded. Pure.
"""

from dataclasses import dataclass
from datetime import datetime

import msgspec
from msgspec.structs import replace

from varco_common.events import AnyEvent, BanRules, BanRulesChanged, NetworkIgnored, NetworkUnignored, Strike
from varco_common.events.ban_table import address_of, network_of


@dataclass(frozen=True, kw_only=True)
class IgnoredNetwork:
    """A network whose failures do not count.

    If `account` is set, only failures that concern it do not count.
    """

    network: str
    since: datetime
    account: str = ""
    by: str = ""
    reason: str = ""

    def covers(self, strike: Strike) -> bool:
        if self.account and self.account not in strike.accounts:
            return False
        address, network = address_of(strike.host), network_of(self.network)
        return address.version == network.version and address in network


class BanSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The rules that bans follow, and the networks that are ignored, oldest first."""

    rules: BanRules = msgspec.field(default_factory=BanRules)
    ignored: tuple[IgnoredNetwork, ...] = ()

    def ignored_network(self, network: str, account: str) -> IgnoredNetwork | None:
        return next((entry for entry in self.ignored if (entry.network, entry.account) == (network, account)), None)


def apply(settings: BanSettings | None, event: AnyEvent) -> BanSettings:
    settings = settings or BanSettings()
    match event:
        case BanRulesChanged(rules=rules):
            return replace(settings, rules=rules)
        case NetworkIgnored():
            entry = IgnoredNetwork(
                network=event.network, since=event.at, account=event.account, by=event.by, reason=event.reason
            )
            return replace(settings, ignored=(*_others(settings, event), entry))
        case NetworkUnignored():
            return replace(settings, ignored=_others(settings, event))
        case _:
            return settings


def _others(settings: BanSettings, event: NetworkIgnored | NetworkUnignored) -> tuple[IgnoredNetwork, ...]:
    return tuple(
        entry for entry in settings.ignored if (entry.network, entry.account) != (event.network, event.account)
    )
