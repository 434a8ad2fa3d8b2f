"""An account as the text of its file, and as it was at a time in the past."""

import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import yaml

from varco_cli import api_client
from varco_cli.account_schema import HEAD
from varco_cli.failures import Refused, Unreachable
from varco_cli.times import moment


class _Dumper(yaml.SafeDumper):
    """Writes `off` as people do, without quotes."""


def _text_node(dumper: _Dumper, text: str) -> yaml.Node:
    tag = "tag:yaml.org,2002:bool" if text == "off" else "tag:yaml.org,2002:str"
    return dumper.represent_scalar(tag, text)


_Dumper.add_representer(str, _text_node)


def account_text(document: dict[str, Any]) -> str:
    """Returns the account file, with the name of its schema for editors."""
    text: str = yaml.dump(
        document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120
    )
    return HEAD + text


def past_document(account: str, at: str) -> dict[str, Any]:
    """Returns the account file as of a time. Raises a CommandFailure."""
    when = {"sequence": at} if at.isdecimal() else {"at": moment(at, "--at").isoformat()}
    answer = api_client.call("audit", "GET", f"/accounts/{quote(account, safe='')}/state", params=when)
    if answer["missing"]:
        service, why = next(iter(answer["missing"].items()))
        raise Unreachable(f"{service} gave no answer: {why}")
    sections: dict[str, dict[str, Any]] = {}
    for item in answer["items"]:
        sections.setdefault(item["section"], {})[item["key"]] = item["value"]
    if "account" not in sections:
        raise Refused(f"account {account} was not open at {answer['at']}")
    return {"account": account, **_document(sections)}


def _document(sections: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """From the parts of a past state to the sections of an account file."""
    account, quotas = sections["account"], dict(sections.get("quotas", {}))
    if whole := sections.get("quotas of the account"):
        quotas["account"] = whole
    if exceptions := [entry for entry in sections.get("quota exceptions", {}).values() if not _is_over(entry)]:
        quotas["exceptions"] = exceptions
    route = sections.get("route", {})
    filelink = sections.get("filelink", {})
    return {
        "language": account["language"],
        "hosts": account["hosts"],
        "users": [{"login": login, **user} for login, user in sections.get("users", {}).items()],
        "senders": [*sections.get("senders", {})],
        "networks": [{"network": network, **trusted} for network, trusted in sections.get("networks", {}).items()],
        "rules": sections.get("rules", {}),
        "notices": _notices(sections.get("notices", {})),
        "route": (route["to"] if [*route] == ["to"] else route) or None,
        "routes": [*sections.get("routes", {}).values()] or None,
        "quotas": quotas,
        "filelink": {} if filelink.get("over") == "off" else filelink,
        "archive": sections.get("archive", {}),
    }


def _notices(texts: dict[str, str]) -> dict[str, dict[str, str]]:
    notices: dict[str, dict[str, str]] = {}
    for name, text in texts.items():
        if match := re.fullmatch(r"(\S+) \((\w+)\)", name):
            notices.setdefault(match[1], {})[match[2]] = text
    return notices


def _is_over(exception: dict[str, Any]) -> bool:
    """An exception that has ended since can't be made again."""
    until = str(exception.get("until") or "")
    return bool(until) and datetime.fromisoformat(until).astimezone(UTC) <= datetime.now(UTC)
