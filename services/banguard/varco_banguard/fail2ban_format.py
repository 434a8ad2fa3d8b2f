"""The ban log in fail2ban's exact format: the lines that customers read, and that fail2ban's own tools read too."""

from collections.abc import Iterable
from datetime import datetime, tzinfo

from varco_banguard.model import accounts_of
from varco_common.base.subjects import event
from varco_common.events import HostBanned, HostEvent, HostFound, HostIgnored, HostUnbanned

JAIL = "smtp"
LOGGED_EVENTS = tuple(
    event("banguard", fact, "*") for fact in ("host-found", "host-ignored", "host-banned", "host-unbanned")
)


def log_line(said: object, process: int, zone: tzinfo | None = None) -> str:
    """The event's line, without its end; empty for one that has none. `zone` None is the machine's own.

    fail2ban: "%(asctime)s %(name)-24s[%(process)d]: %(levelname)-7s [jail] %(message)s", asctime with ",milliseconds".
    """
    match said:
        case HostFound(strike=strike):
            name, level, what = "filter", "INFO", f"Found {strike.host} - {_seconds(strike.at, zone)}"
        case HostIgnored(strike=strike):
            name, level, what = "filter", "INFO", f"Ignore {strike.host} by ip"
        case HostBanned(network=network):
            name, level, what = "actions", "NOTICE", f"Ban {network}"
        case HostUnbanned(network=network):
            name, level, what = "actions", "NOTICE", f"Unban {network}"
        case _:
            return ""
    at = said.at.astimezone(zone)
    stamp = f"{at:%Y-%m-%d %H:%M:%S},{at.microsecond // 1000:03d}"
    return f"{stamp} {'fail2ban.' + name:<24}[{process}]: {level:<7} [{JAIL}] {what}"


def accounts_allowed_to_read(said: HostEvent) -> Iterable[str]:
    """The accounts that may read the event's line."""
    match said:
        case HostFound(strike=strike) | HostIgnored(strike=strike):
            return strike.accounts
        case HostBanned(strikes=strikes):
            return accounts_of(strikes)
        case HostUnbanned(accounts=concerned):
            return concerned
        case _:
            return ()


def _seconds(at: datetime, zone: tzinfo | None) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}"
