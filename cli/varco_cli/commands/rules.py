"""`varco rules`: the limits of an account's mails."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from varco_cli import api_client, output, times
from varco_cli.catalogue import group
from varco_cli.commands.shared import Account, NeededReason, Reason, change
from varco_cli.failures import Misused
from varco_cli.output import Json

app = group("rules")


@app.command("show")
def show_rules(account: Account, as_json: Json = False) -> None:
    """Shows the rules of an account, and the senders that may attach more.

    Example: `varco rules show acme`
    """
    rules = api_client.call("policy", "GET", f"/accounts/{account}/rules")
    exceptions = api_client.call("policy", "GET", _exceptions(account))
    output.show(rules | {"exceptions": exceptions}, as_json, lambda: _print(rules, exceptions))


@app.command("set")
def set_rules(
    account: Account,
    max_size: Annotated[str, typer.Option(help="Largest size of a mail, such as 20MB.")] = "",
    max_recipients: Annotated[int, typer.Option(help="Largest number of recipients of a mail.")] = 0,
    attachments: Annotated[
        str,
        typer.Option(help="Allowed extensions, separated by commas, or `any`. `+zip` adds one, `-zip` removes one."),
    ] = "",
    display_addresses: Annotated[
        str, typer.Option(help="`accept` or `refuse` sender names that hold an address of somebody else.")
    ] = "",
    unauthorised_senders: Annotated[
        str, typer.Option(help="`stop` the login, or `ban` the host, at a host that several people share.")
    ] = "",
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Changes rules. Rules that are not named stay.

    Examples: `varco rules set acme --max-size 20MB --max-recipients 100` ·
    `varco rules set acme --attachments pdf,txt,gif,jpg,jpeg,png` ·
    `varco rules set acme --attachments +zip,-gif`
    """
    form: dict[str, Any] = {
        "max_size": max_size or None,
        "max_recipients": max_recipients or None,
        "display_addresses": display_addresses or None,
        "unauthorised_senders": unauthorised_senders or None,
    }
    form |= _attachments(attachments) if attachments else {}
    form = {name: value for name, value in form.items() if value is not None}
    if not form:
        raise Misused("no rule is named: see `varco rules set --help`")
    change("policy", "PUT", f"/accounts/{account}/rules", reason, as_json, json=form)


@app.command("except")
def except_sender(
    account: Account,
    sender: Annotated[str, typer.Argument(help="An address, or `@domain`.", metavar="SENDER")],
    reason: NeededReason,
    attachments: Annotated[
        str,
        typer.Argument(help="Extensions that may pass besides, separated by commas, or `any`.", metavar="EXTENSIONS"),
    ] = "",
    until: Annotated[
        str, typer.Option("--until", help="End of the exception: `30d`, 2026-12-24, or 2026-12-24T18:00.")
    ] = "",
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove the exception: the rules of the account hold again.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Lets a sender or domain attach more than the rules allow, until a time or for good.

    The narrowest exception holds. Only its extensions come to those of the account.

    Examples: `varco rules except acme cad@acme.example dwg,zip --until 30d --reason "tender"` ·
    `varco rules except acme cad@acme.example --remove --reason "tender is over"`
    """
    path = f"{_exceptions(account)}/{quote(sender, safe='@')}"
    if remove == bool(attachments):
        raise Misused("give extensions such as zip,docx, or --remove")
    if remove:
        change("policy", "DELETE", path, reason, as_json)
        return
    names = attachments if attachments == "any" else {"allow": [name.lstrip("+") for name in attachments.split(",")]}
    form = {"attachments": names} | ({"until": times.later(until, "--until").isoformat()} if until else {})
    change("policy", "PUT", path, reason, as_json, json=form)


def _attachments(text: str) -> dict[str, Any]:
    """Returns the fields of the request: the whole list, or what is added and removed."""
    if text == "any":
        return {"attachments": "any"}
    names = text.split(",")
    signs = {name[:1] for name in names}
    if not signs & {"+", "-"}:
        return {"attachments": {"allow": names}}
    if not signs <= {"+", "-"}:
        raise Misused(
            f"--attachments {text}: either the whole list (pdf,txt), or what is added and removed (+zip,-gif)"
        )
    return {
        "add_attachments": [name[1:] for name in names if name.startswith("+")],
        "remove_attachments": [name[1:] for name in names if name.startswith("-")],
    }


def _exceptions(account: str) -> str:
    return f"/accounts/{account}/attachments/exceptions"


def _print(rules: dict[str, Any], exceptions: list[dict[str, Any]]) -> None:
    output.record(rules | {"attachments": _names(rules["attachments"])})
    if exceptions:
        columns = ("sender", "may attach besides", "until", "reason")
        rows = [(entry["sender"], _names(entry["attachments"]), _until(entry), entry["reason"]) for entry in exceptions]
        output.table(columns, rows)


def _names(attachments: Any) -> str:
    return attachments if isinstance(attachments, str) else ", ".join(attachments["allow"]) or "none"


def _until(entry: dict[str, Any]) -> str:
    if not entry["until"]:
        return "for good"
    return times.local(entry["until"]) + (" (ended)" if entry["ended"] else "")
