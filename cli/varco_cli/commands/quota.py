"""`varco quota`: the limits of an account's senders, and their usage."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import quote

import typer

from varco_cli import api_client, output, times
from varco_cli.catalogue import group
from varco_cli.commands.shared import Account, NeededReason, Reason, change, check_account
from varco_cli.failures import Misused
from varco_cli.output import Json

app = group("quota")


Sender = Annotated[str, typer.Argument(help="An address, or `<>` for the null sender.", metavar="SENDER")]
Limits = Annotated[
    list[str],
    typer.Argument(
        help="METER=LIMIT, or METER=LIMIT/WINDOW. Meters: messages, recipients, bytes, first_time_recipients. "
        "Windows: 1 hour, 1 day (default), calendar day.",
        metavar="LIMITS...",
    ),
]
OfAccount = Annotated[str, typer.Option("--account", help="Only in this account.")]


class TopMeter(StrEnum):
    """What senders are compared by."""

    MESSAGES = "messages"
    RECIPIENTS = "recipients"
    BYTES = "bytes"


_SERVICE = "ratelimit"
_METERS = ("messages", "recipients", "bytes", "first_time_recipients")


@app.command("list")
def list_quotas(account: Account, as_json: Json = False) -> None:
    """Lists limits and exceptions of an account, and the senders with the highest usage.

    Example: `varco quota list acme`
    """
    check_account(account)
    answer = api_client.call(_SERVICE, "GET", _path(account))
    answer["senders"] = api_client.call(_SERVICE, "GET", f"{_path(account)}/senders")
    output.show(answer, as_json, lambda: _print_account(answer))


@app.command("show")
def show(
    sender: Sender,
    account: OfAccount = "",
    mails: Annotated[
        int, typer.Option("--mails", help="How many of the counted mails to show, the newest first.")
    ] = 20,
    as_json: Json = False,
) -> None:
    """Shows the usage of a sender for each limit, when it decreases, and the counted mails.

    Example: `varco quota show alice@acme.example`
    """
    answer = _of_sender(sender, account, mails)
    output.show(answer, as_json, lambda: _print_senders(answer))


@app.command("top")
def top(
    account: OfAccount = "",
    by: Annotated[
        TopMeter, typer.Option("--by", help="What is compared: messages, recipients or bytes.")
    ] = TopMeter.MESSAGES,
    per: Annotated[str, typer.Option("--per", help="How far back: `1 hour`, `10m`; a day at most.")] = "1 day",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1_000, help="How many senders.")] = 20,
    as_json: Json = False,
) -> None:
    """Lists who sends most, in all accounts or in one. Quotas need not be set.

    Examples: `varco quota top` · `varco quota top --by bytes --per "1 hour" --account acme`
    """
    params = {"by": by.value, "per": per, "account": account, "limit": limit}
    answer = api_client.call(_SERVICE, "GET", "/quotas/top", params=params)
    columns = ("account", "sender", "messages", "recipients", "bytes")
    output.listing(columns, answer, as_json, empty=f"nobody has sent in the last {per}")


@app.command("set")
def set_quotas(
    account: Account,
    limits: Limits,
    time_zone: Annotated[
        str, typer.Option("--time-zone", help="Time zone of calendar days, such as Europe/Rome.")
    ] = "",
    answer: Annotated[
        int, typer.Option("--answer", help="Reply code over the limit: 450 (try again later) or 550 (give up).")
    ] = 0,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Sets limits for each sender of an account. Limits that are not named stay.

    `account.messages=...` is a limit for all mail of the account together.

    Examples: `varco quota set acme messages=500 "recipients=2000/1 hour"` ·
    `varco quota set acme account.messages=5000` · `varco quota set acme messages=off`
    """
    check_account(account)
    quotas = api_client.call(_SERVICE, "GET", _path(account))
    document: dict[str, Any] = quotas["quotas"] or {}
    document.pop("exceptions", None)
    for text in limits:
        meter, limit = _limit(text)
        whole = meter.startswith("account.")
        target = document.setdefault("account", {}) if whole else document
        target[meter.removeprefix("account.")] = None if limit == "off" else limit
    document |= {"time_zone": time_zone} if time_zone else {}
    document |= {"answer": answer} if answer else {}
    headers = {"If-Match": f'"{quotas["version"]}"'}
    change(_SERVICE, "PUT", _path(account), reason, as_json, json=document, headers=headers)


@app.command("except")
def except_sender(
    account: Account,
    sender: Annotated[str, typer.Argument(help="An address, or `@domain`.", metavar="SENDER")],
    reason: NeededReason,
    limits: Annotated[
        list[str] | None, typer.Argument(help="As for `set`, or `unlimited`.", metavar="LIMITS...")
    ] = None,
    until: Annotated[
        str, typer.Option("--until", help="End of the exception: `30d`, 18:00, 2026-12-24, or 2026-12-24T18:00.")
    ] = "",
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove the exception: the limits of the account hold again.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Sets other limits for a sender or domain, with a reason, until a date or for good.

    Examples: `varco quota except acme news@acme.example messages=5000 --until 2026-12-24 --reason
    "christmas letter"` ·
    `varco quota except acme @shop.example messages=unlimited --reason "a shop"`
    """
    check_account(account)
    path = f"{_path(account)}/exceptions/{quote(sender, safe='@')}"
    if remove:
        change(_SERVICE, "DELETE", path, reason, as_json)
        return
    form: dict[str, Any] = dict(_limit(text) for text in limits or ())
    form |= {"until": _end(until)} if until else {}
    change(_SERVICE, "PUT", path, reason, as_json, json=form)


@app.command("reset")
def reset(
    sender: Annotated[str, typer.Argument(help="An address, or an account with --whole.", metavar="SENDER")],
    reason: NeededReason,
    account: OfAccount = "",
    whole: Annotated[bool, typer.Option("--whole", help="Reset the usage of the whole account.")] = False,
    as_json: Json = False,
) -> None:
    """Resets the usage of a sender, who may then send again at once.

    Examples: `varco quota reset alice@acme.example --reason "newsletter, agreed"` ·
    `varco quota reset acme --whole ...`
    """
    account = sender if whole else account or _only_account(sender)
    check_account(account)
    form = {} if whole else {"sender": sender}
    path = f"{_path(account)}/resets"
    change(_SERVICE, "POST", path, reason, as_json, json=form)


def _path(account: str) -> str:
    return f"/accounts/{account}/quotas"


def _of_sender(sender: str, account: str, mails: int = 0) -> list[dict[str, Any]]:
    path = f"/quotas/senders/{quote(sender, safe='@')}"
    answer: list[dict[str, Any]] = api_client.call(_SERVICE, "GET", path, params={"account": account, "mails": mails})
    return answer


def _only_account(sender: str) -> str:
    answer = [entry["account"] for entry in _of_sender(sender, "")]
    if len(answer) != 1:
        raise Misused(f"{sender} has sent in {', '.join(answer) or 'no account'} lately: name it with --account")
    return str(answer[0])


def _limit(text: str) -> tuple[str, Any]:
    """Parses a limit such as `messages=500/1 hour`. Raises Misused."""
    meter, equals, value = text.partition("=")
    if not equals or not value or meter.removeprefix("account.") not in _METERS:
        raise Misused(f"{text}: expected METER=LIMIT or METER=LIMIT/WINDOW; meters are {', '.join(_METERS)}")
    limit, _, per = value.partition("/")
    if limit in ("off", "unlimited"):
        return meter, limit
    number: int | str = int(limit) if limit.isdigit() else limit
    return meter, {"limit": number, **({"per": per.strip()} if per else {})}


def _end(until: str) -> str:
    """A date without an offset is sent as it is: the account's time zone holds."""
    try:
        datetime.fromisoformat(until)
    except ValueError:
        return times.later(until, "--until").isoformat()
    return until


def _print_account(answer: dict[str, Any]) -> None:
    document = answer["quotas"] or {}
    rows = [("each sender", meter, document[meter]) for meter in _METERS if meter in document]
    whole = document.get("account", {})
    rows += [("the account", meter, whole[meter]) for meter in _METERS if meter in whole]
    limits = [(who, meter, entry["limit"], entry["per"]) for who, meter, entry in rows]
    output.table(("for", "meter", "limit", "per"), limits, "no limits: everything passes")
    for entry in document.get("exceptions", ()):
        own = "; ".join(f"{meter}={_words(entry[meter])}" for meter in _METERS if meter in entry)
        output.line(f"except {entry['sender']}: {own} until {entry.get('until', 'further notice')} ({entry['reason']})")
    if answer["used"]:
        _print_meters(answer["used"])
    if answer["senders"]:
        columns = ("sender", "messages", "recipients", "bytes", "full")
        output.line("in the last 24 hours:")
        output.rows(columns, [entry | {"full": f"{entry['full']:.0%}"} for entry in answer["senders"]])


def _print_senders(answer: list[dict[str, Any]]) -> None:
    if not answer:
        output.line("no mail of this sender counts in any account; give --account to see its limits")
    for entry in answer:
        excepted = f" (exception for {entry['exception']})" if entry["exception"] else ""
        output.line(f"{entry['sender']} in account {entry['account']}{excepted}")
        _print_meters(entry["meters"])
        if entry["mails"]:
            columns = ("mail", "at", "recipients", "bytes", "first_time_recipients")
            output.rows(columns, entry["mails"])


def _print_meters(meters: list[dict[str, Any]]) -> None:
    columns = ("of", "meter", "used", "pending", "limit", "per", "frees_at")
    output.rows(columns, meters, "no limits: everything passes")


def _words(limit: Any) -> str:
    return limit if isinstance(limit, str) else f"{limit['limit']} per {limit['per']}"
