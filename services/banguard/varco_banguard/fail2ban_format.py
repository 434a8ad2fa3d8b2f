"""One line of the ban log, exactly as fail2ban writes it: its users and its own tools read it."""

from collections.abc import Iterable
from datetime import UTC, tzinfo

from varco_banguard.model import readers_of
from varco_common.events import HostBanned, HostEvent, HostFound, HostIgnored, HostUnbanned

JAIL = "smtp"
LOGGED_EVENTS = tuple(kind.subject_filter() for kind in (HostFound, HostIgnored, HostBanned, HostUnbanned))


def log_line(event: object, process: int, zone: tzinfo | None = None) -> str:
    """The line of the event, or empty. `zone` None is the time zone of the machine.

    fail2ban: "%(asctime)s %(name)-24s[%(process)d]: %(levelname)-7s [jail] %(message)s", with
    milliseconds after a comma in asctime.
    """
    match event:
        case HostFound(strike=strike):
            failed_at = f"{strike.at.astimezone(zone):%Y-%m-%d %H:%M:%S}"
            name, level, message = "filter", "INFO", f"Found {strike.host} - {failed_at}"
        case HostIgnored(strike=strike):
            name, level, message = "filter", "INFO", f"Ignore {strike.host} by ip"
        case HostBanned(network=network):
            name, level, message = "actions", "NOTICE", f"Ban {network}"
        case HostUnbanned(network=network):
            name, level, message = "actions", "NOTICE", f"Unban {network}"
        case _:
            return ""
    at = event.at.astimezone(zone)
    stamp = f"{at:%Y-%m-%d %H:%M:%S},{at.microsecond // 1000:03d}"
    return f"{stamp} {'fail2ban.' + name:<24}[{process}]: {level:<7} [{JAIL}] {message}"


def log_record(event: HostEvent) -> dict[str, str]:
    """The same as an object with times in UTC, for programs. It says no more than the line."""
    record = {"at": event.at.astimezone(UTC).isoformat(), "jail": JAIL, "network": event.network}
    match event:
        case HostFound(strike=strike):
            return record | {"what": "found", "host": strike.host, "failed_at": strike.at.astimezone(UTC).isoformat()}
        case HostIgnored(strike=strike):
            return record | {"what": "ignored", "host": strike.host}
        case HostBanned():
            return record | {"what": "banned"}
        case _:
            return record | {"what": "unbanned"}


def accounts_allowed_to_read(event: HostEvent) -> Iterable[str]:
    """The accounts whose tokens may read the line of the event."""
    match event:
        case HostFound(strike=strike) | HostIgnored(strike=strike):
            return strike.readers
        case HostBanned(strikes=strikes):
            return readers_of(strikes)
        case HostUnbanned(accounts=accounts):
            return accounts
        case _:
            return ()
