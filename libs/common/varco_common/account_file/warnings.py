"""What is legal in an account file and surely not meant. Pure."""

from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from varco_common.account_file.parsing import AccountFile
from varco_common.base import units
from varco_common.base.merge_patch import merged

DEFAULT_MAX_MAIL_SIZE = 100 * 1024 * 1024  # that of VARCO_INGRESS_MAX_SIZE
_MAPPINGS = ("rules", "route", "quotas", "filelink", "archive")
_METERS = ("messages", "recipients", "bytes", "first_time_recipients")


class Warned(NamedTuple):
    """A place in the file, and what is odd about it."""

    where: tuple[str, ...]
    what: str


def placed_warnings(file: AccountFile, current: dict[str, Any], links_begin_with: str, max_mail_size: int) -> list[str]:
    """The warnings about an account once the file is applied, each with its line in the file.

    `current` is the account as it is; empty before it is opened.
    """
    document = {**current, **file.sections}
    document |= {name: merged(current.get(name), document[name]) for name in _MAPPINGS if name in document}
    found = warnings(document, links_begin_with, max_mail_size)
    return [f"{file.place(warned.where)}: {warned.what}" for warned in found]


def warnings(document: dict[str, Any], links_begin_with: str, max_mail_size: int) -> list[Warned]:
    """`document` is the account as it will be. Sizes are bytes.

    `links_begin_with` is the base URL of links of accounts that have none of their own.
    """
    rules = _mapping(document.get("rules"))
    return [
        *_of_links(_mapping(document.get("filelink")), rules, links_begin_with),
        *_of_rules(rules, max_mail_size),
        *_of_route(_mapping(document.get("route"))),
        *_of_archive(_mapping(document.get("archive")), document.get("users") or ()),
        *_of_quotas(_mapping(document.get("quotas"))),
        *_of_time_zone(document.get("time_zone"), _mapping(document.get("quotas"))),
        *_of_senders(document),
    ]


def _of_links(filelink: dict[str, Any], rules: dict[str, Any], begin: str) -> Iterator[Warned]:
    if not filelink:
        return
    base = filelink.get("base_url") or begin
    if (urlsplit(base).hostname or "") in ("127.0.0.1", "localhost", "::1"):
        yield Warned(("filelink",), f"links begin with {base}, which recipients can't open: give base_url")
    over, most = _size(filelink.get("over")), _size(rules.get("max_size"))
    if over and most and over > most:
        text = f"over ({units.format_size(over)}) is more than rules.max_size ({units.format_size(most)})"
        yield Warned(("filelink", "over"), f"{text}: no attachment ever becomes a link")


def _of_rules(rules: dict[str, Any], max_mail_size: int) -> Iterator[Warned]:
    most = _size(rules.get("max_size"))
    if most and most > max_mail_size:
        limit = units.format_size(max_mail_size)
        yield Warned(("rules", "max_size"), f"the gate takes no mail over {limit} (VARCO_INGRESS_MAX_SIZE)")


def _of_route(route: dict[str, Any]) -> Iterator[Warned]:
    if route.get("tls") == "none" and route.get("login"):
        secret = "token" if route.get("oauth") else "password"
        yield Warned(("route", "tls"), f"the {secret} goes to the next hop unencrypted: use tls: required")


def _of_archive(archive: dict[str, Any], users: Any) -> Iterator[Warned]:
    login = str(_mapping(archive.get("pop3")).get("login", "")).lower()
    if login and login in {str(user.get("login", "")).lower() for user in users if isinstance(user, dict)}:
        text = f"{login} is also a user's login: guesses at one are guesses at the other"
        yield Warned(("archive", "pop3", "login"), text)


def _of_quotas(quotas: dict[str, Any]) -> Iterator[Warned]:
    for meter in _METERS:
        limit = quotas.get(meter)
        if (limit.get("limit") if isinstance(limit, dict) else limit) in (0, "0"):
            yield Warned(("quotas", meter), "a limit of 0 lets nothing pass: null removes a limit")
    for place, exception in enumerate(quotas.get("exceptions") or ()):
        for meter in _METERS:
            if isinstance(exception, dict) and exception.get(meter) == "unlimited" and not quotas.get(meter):
                text = f"{meter} has no limit in this account, so the exception changes nothing"
                yield Warned(("quotas", "exceptions", str(place), meter), text)


def _of_time_zone(zone: Any, quotas: dict[str, Any]) -> Iterator[Warned]:
    limits = [_mapping(part.get(meter)) for part in (quotas, _mapping(quotas.get("account"))) for meter in _METERS]
    by_day = any(limit.get("per") == "calendar day" for limit in limits)
    if by_day and (zone or "UTC") != "UTC" and quotas.get("time_zone", "UTC") == "UTC":
        yield Warned(("quotas",), f"calendar days end at midnight UTC: give quotas its time_zone, such as {zone}")


def _of_senders(document: dict[str, Any]) -> Iterator[Warned]:
    if (document.get("users") or document.get("networks")) and not document.get("senders"):
        yield Warned(("senders",), "the list is empty: nobody may send")


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _size(value: object) -> int:
    try:
        return units.parse_size(value) if isinstance(value, int | str) else 0
    except ValueError:
        return 0
