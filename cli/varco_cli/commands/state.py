"""`varco state`: the settings of an account at a time in the past."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from varco_cli import api_client, output
from varco_cli.failures import Misused
from varco_cli.output import Json
from varco_cli.times import local, moment
from varco_cli.token_names import TokenNames


def state(
    at: Annotated[str, typer.Option("--at", help="A time, how long ago (2d), or the sequence of an event.")],
    account: Annotated[str, typer.Option("--account", help="The account.")],
    as_json: Json = False,
) -> None:
    """Shows the settings of an account and the bans as they were at a time.

    Each line names the event that made the setting.

    Examples: `varco state --account acme --at 2026-11-01T09:00` ·
    `varco state --account acme --at 120345 --json`
    """
    when = {"sequence": at} if at.isdecimal() else {"at": moment(at, "--at").isoformat()}
    answer: dict[str, Any] = api_client.call("audit", "GET", f"/accounts/{quote(account, safe='')}/state", params=when)
    if not answer["items"] and not answer["missing"]:
        raise Misused(f"nothing was set for {account} by {answer['at']}")
    output.show(answer, as_json, lambda: _print(answer))


def _print(answer: dict[str, Any]) -> None:
    output.line(f"{answer['account']} after event {answer['sequence']}, {local(answer['at'])}")
    names = TokenNames()
    rows = [
        (item["section"], item["key"], item["value"], item["sequence"], item["at"], names.named(item["by"]))
        for item in answer["items"]
    ]
    output.table(("section", "what", "value", "event", "since", "who"), rows)
    for service, why in answer["missing"].items():
        output.line(f"{service} gave no answer: {why}")
    for sequence in answer["unreadable"]:
        output.line(f"event {sequence} can't be read and is skipped")
