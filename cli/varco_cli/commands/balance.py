"""`varco audit balance`: accounts for every recipient of every mail."""

from collections import Counter
from typing import Annotated, Any

import typer

from varco_cli import api_client, output, times
from varco_cli.commands.shared import check_account
from varco_cli.failures import Refused
from varco_cli.output import Json
from varco_cli.times import moment

COLUMNS = ("accepted", "delivered", "bounced", "expired", "dropped", "in_flight", "unaccounted")


def balance(
    since: Annotated[
        str, typer.Option("--since", help="Begin of the period: how long ago (30d, 12h), or a time.")
    ] = "",
    account: Annotated[str, typer.Option("--account", help="Only this account's mails.")] = "",
    as_json: Json = False,
) -> None:
    """Checks that every recipient is accounted for, by hour and account.

    Accepted = delivered + bounced + expired + dropped by an operator + in flight. Mails that are
    unaccounted for are named; exit code 1 where there are any.

    Examples: `varco audit balance` · `varco audit balance --since 1d --account acme`
    """
    params = {"account": account} | ({"since": moment(since, "--since").isoformat()} if since else {})
    answer = api_client.call("audit", "GET", "/balance", params=params)
    if not answer["lines"]:
        check_account(account)
    output.show(answer, as_json, lambda: print_balance(answer))
    if answer["unaccounted"] or not all(line["balanced"] for line in answer["lines"]):
        raise typer.Exit(Refused.exit_code)


def print_balance(answer: dict[str, Any]) -> None:
    """Prints the lines, their sums, and the mails that are unaccounted for."""
    sums = Counter[str]()
    rows = []
    for line in answer["lines"]:
        sums.update({name: line[name] for name in COLUMNS})
        rows.append((_hour(line), f"{line['account']} {line['kind']}", *(line[name] for name in COLUMNS)))
    if rows:
        rows.append(("all", "", *(sums[name] for name in COLUMNS)))
    output.table(("hour", "account", *COLUMNS[:-1], "missing"), rows, empty="no mail")
    for line in answer["lines"]:
        if not line["balanced"]:
            output.line(f"{_hour(line)} {line['account']} {line['kind']}: the sums don't add up")
    lost = [
        (mail["mail"], mail["account"], mail["kind"], mail["sequence"], ", ".join(mail["recipients"]), mail["why"])
        for mail in answer["unaccounted"]
    ]
    if lost:
        output.line("Unaccounted for:")
        output.table(("mail", "account", "kind", "in MAIL", "recipients", "why"), lost)


def _hour(line: dict[str, Any]) -> str:
    return f"{times.as_local(line['hour']):%d %b %Y %H:%M %Z}"
