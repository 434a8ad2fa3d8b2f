"""`varco routes`: where each account's mail goes."""

import sys
from typing import Annotated, Any

import typer

from varco_cli import api_client, output
from varco_cli.commands.shared import Account, Reason, changed, noun
from varco_cli.failures import Refused
from varco_cli.output import Json


def add(app: typer.Typer) -> None:
    group = noun(app, "routes", "Where each account's mail goes: list, show, set, remove.")
    group.command("list")(list_routes)
    group.command("show")(show_route)
    group.command("set")(set_route)
    group.command("remove")(remove_route)


def list_routes(as_json: Json = False) -> None:
    """The route of every account.

    Example: `varco routes list`
    """
    found = [_route(one["account"]) for one in api_client.call("policy", "GET", "/accounts")]
    columns = ("account", "goes_to", "waiting", "untried")
    output.show(found, as_json, lambda: output.table(columns, [[one.get(name) for name in columns] for one in found]))


def show_route(account: Account, as_json: Json = False) -> None:
    """An account's route, what its next hop can do, and why mail waits.

    Example: `varco routes show acme`
    """
    found = api_client.call("relay", "GET", f"/accounts/{account}/route")
    output.show(found, as_json, lambda: output.record(found))


def set_route(
    account: Account,
    to: Annotated[str, typer.Argument(help="`host:port`, or `blackhole`.", metavar="TO")],
    tls: Annotated[str, typer.Option(help="none, opportunistic or required.")] = "opportunistic",
    login: Annotated[str, typer.Option(help="A login at the next hop; its password is read from standard input.")] = "",
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Sets where an account's mail goes.

    Examples: `varco routes set acme mx.provider.example:25 --tls required` · `varco routes set acme blackhole`
    """
    wanted: str | dict[str, str] = to
    if to != "blackhole":
        wanted = {"smarthost": to, "tls": tls}
        if login:
            asked = sys.stdin.isatty()
            password = typer.prompt("Password", hide_input=True) if asked else sys.stdin.readline().rstrip("\r\n")
            wanted |= {"login": login, "password": password}
    changed(
        api_client.call("relay", "PUT", f"/accounts/{account}/route", params={"reason": reason}, json=wanted), as_json
    )


def remove_route(account: Account, reason: Reason = "", as_json: Json = False) -> None:
    """Back to the default route (VARCO_RELAY_DEFAULT_ROUTE); without one, mail waits.

    Example: `varco routes remove acme --reason "provider changed"`
    """
    changed(api_client.call("relay", "DELETE", f"/accounts/{account}/route", params={"reason": reason}), as_json)


def _route(account: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = api_client.call("relay", "GET", f"/accounts/{account}/route")
    except Refused:  # relay hasn't heard of it yet
        return {"account": account, "route": None, "goes_to": "", "waiting": "", "untried": 0}
    return found
