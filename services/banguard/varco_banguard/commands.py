"""Commands of people, decided on the newest state: ban, ignore a network, change rules. Pure.

To lift a ban, see unban_decisions.py.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from varco_banguard.ban_decisions import bans_in_a_row
from varco_banguard.ban_duration import ban_end
from varco_banguard.ban_settings import BanSettings
from varco_banguard.model import Host, counted_strikes
from varco_banguard.rule_settings import changed_rules, parse_seconds
from varco_banguard.unban_decisions import Attribution
from varco_common.base.errors import NotFound, RefusedCommand
from varco_common.events import BanRules, BanRulesChanged, HostBanned, NetworkIgnored, NetworkUnignored
from varco_common.eventsourcing.commands import Change, CommandContext


def ban(
    host: Host | None, network: str, bantime: str | None, rules: BanRules, attribution: Attribution
) -> HostBanned | None:
    """Bans, or replaces a ban.

    `bantime` None: as long as the rules say. None once the ban is in the state.
    """
    at, by, reason = attribution
    if host and host.ban and (host.ban.since, host.ban.by) == (at, by):
        return None
    earlier = host.ban.count - 1 if host and host.ban else bans_in_a_row(host, rules, at)
    until = ban_end(rules, earlier, at, 0) if bantime is None else _end(bantime, at)
    strikes = counted_strikes(host) if host else ()
    return HostBanned(at=at, by=by, reason=reason, network=network, until=until, count=earlier + 1, strikes=strikes)


def ignore(settings: BanSettings | None, context: CommandContext, network: str, account: str) -> list[Change]:
    """If `account` is empty, no failure counts; else those that concern the account do not."""
    if (settings or BanSettings()).ignored_network(network, account):
        return []
    event = context.event(NetworkIgnored, network=network, account=account)
    return [Change("add", "ignored network", network, account, event)]


def unignore(settings: BanSettings | None, context: CommandContext, network: str, account: str) -> list[Change]:
    if not (settings or BanSettings()).ignored_network(network, account):
        raise NotFound(f"{network} is not ignored")
    event = context.event(NetworkUnignored, network=network, account=account)
    return [Change("remove", "ignored network", network, account, event)]


def change_rules(settings: BanSettings | None, context: CommandContext, given: Mapping[str, object]) -> list[Change]:
    """`given` are settings by their names in fail2ban."""
    before = (settings or BanSettings()).rules
    rules = changed_rules(before, given)
    if rules == before:
        return []
    event = context.event(BanRulesChanged, rules=rules)
    return [Change("change", "ban rules", "", " ".join(f"{name}={value}" for name, value in given.items()), event)]


def _end(bantime: str, now: datetime) -> datetime | None:
    try:
        seconds = parse_seconds(bantime)
        return None if seconds < 0 else now + timedelta(seconds=seconds)
    except (ValueError, OverflowError) as error:
        raise RefusedCommand(f"bantime={bantime}: {error}") from None
