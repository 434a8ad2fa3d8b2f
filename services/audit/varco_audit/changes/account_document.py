"""Past settings as the sections of an account file. Pure."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from varco_common.eventsourcing.replay.frames import SettingsItem

_NOTICE = re.compile(r"(\S+) \((\w+)\)")  # `too-big (it)`


def is_open(items: Iterable[SettingsItem]) -> bool:
    """Whether the account existed then."""
    return any(item.section == "account" for item in items)


def account_document(items: Iterable[SettingsItem], now: datetime) -> dict[str, Any]:
    """All sections but `account`. Exceptions that have ended by `now` can't be made again."""
    sections: dict[str, dict[str, Any]] = {}
    for item in items:
        sections.setdefault(item.section, {})[item.key] = item.value
    account, route = sections.get("account", {}), sections.get("route", {})
    filelink = sections.get("filelink", {})
    return {
        "language": account.get("language"),
        "time_zone": account.get("time_zone"),
        "hosts": account.get("hosts", {}),
        "users": [{"login": login, **user} for login, user in sections.get("users", {}).items()],
        "senders": [*sections.get("senders", {})],
        "networks": [{"network": network, **trusted} for network, trusted in sections.get("networks", {}).items()],
        "rules": _rules(sections, now),
        "notices": _notices(sections.get("notices", {})),
        "domains": [*sections.get("domains", {})],
        "route": (route["to"] if [*route] == ["to"] else route) or None,
        "routes": [*sections.get("routes", {}).values()] or None,
        "quotas": _quotas(sections, now),
        "filelink": {} if filelink.get("over") == "off" else filelink,
        "archive": sections.get("archive", {}),
    }


def _rules(sections: dict[str, dict[str, Any]], now: datetime) -> dict[str, Any]:
    excepted = sections.get("attachment exceptions", {}).items()
    exceptions = [{"sender": sender, **entry} for sender, entry in excepted if not _is_over(entry, now)]
    return {**sections.get("rules", {}), "exceptions": exceptions}


def _quotas(sections: dict[str, dict[str, Any]], now: datetime) -> dict[str, Any]:
    quotas = dict(sections.get("quotas", {}))
    if whole := sections.get("quotas of the account"):
        quotas["account"] = whole
    if exceptions := [entry for entry in sections.get("quota exceptions", {}).values() if not _is_over(entry, now)]:
        quotas["exceptions"] = exceptions
    return quotas


def _notices(texts: dict[str, str]) -> dict[str, dict[str, str]]:
    notices: dict[str, dict[str, str]] = {}
    for name, text in texts.items():
        if match := _NOTICE.fullmatch(name):
            notices.setdefault(match[1], {})[match[2]] = text
    return notices


def _is_over(exception: dict[str, Any], now: datetime) -> bool:
    until = str(exception.get("until") or "")
    return bool(until) and datetime.fromisoformat(until).astimezone(UTC) <= now
