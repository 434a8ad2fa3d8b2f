"""`varco state`: an account as it was."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from varco_cli import api_client, output
from varco_cli.failures import Misused
from varco_cli.output import Json
from varco_cli.times import moment


def add(app: typer.Typer) -> None:
    app.command("state")(state)


def state(
    at: Annotated[str, typer.Option("--at", help="A time, how long ago (2d), or the sequence of an event.")],
    account: Annotated[str, typer.Option("--account", help="Whose settings.")],
    as_json: Json = False,
) -> None:
    """Shows an account's senders, rules, quotas, links, copies, route and the bans as they were, and what made each so.

    Examples: `varco state --account acme --at 2026-11-01T09:00` · `varco state --account acme --at 120345 --json`
    """
    when = {"sequence": at} if at.isdecimal() else {"at": moment(at, "--at").isoformat()}
    found: dict[str, Any] = api_client.call("audit", "GET", f"/accounts/{quote(account, safe='')}/state", params=when)
    if not found["items"] and not found["missing"]:
        raise Misused(f"nothing was set for {account} by {found['at']}")
    output.show(found, as_json, lambda: _print(found))


def _print(found: dict[str, Any]) -> None:
    output.line(f"{found['account']} after event {found['sequence']}, {found['at']}")
    rows = [
        (one["section"], one["key"], one["value"], one["sequence"], one["at"] or "-", one["fact"], one["by"])
        for one in found["items"]
    ]
    output.table(("section", "what", "value", "event", "since", "made so by", "who"), rows)
    for service, why in found["missing"].items():
        output.line(f"{service} has told nothing: {why}")
    for sequence in found["unreadable"]:
        output.line(f"event {sequence} can't be read, and is passed over")
