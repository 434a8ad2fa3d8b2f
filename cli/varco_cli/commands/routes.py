"""`varco routes`: the next hop of each account."""

import sys
from typing import Annotated, Any

import typer

from varco_cli import api_client, output
from varco_cli.account_file import read
from varco_cli.catalogue import group
from varco_cli.commands.shared import Account, Reason, change, check_account
from varco_cli.failures import Misused, Refused
from varco_cli.output import Json

app = group("routes")

ToRecipient = Annotated[str, typer.Option("--to", help="Only the route of mail to this recipient.")]


@app.command("list")
def list_routes(as_json: Json = False) -> None:
    """Lists the route of every account.

    Example: `varco routes list`
    """
    answer = [_route(account["account"]) for account in api_client.call("policy", "GET", "/accounts")]
    columns = ("account", "goes_to", "waiting", "untried")
    output.listing(columns, answer, as_json)


@app.command("show")
def show_route(account: Account, as_json: Json = False) -> None:
    """Shows the route of an account, the capabilities of its next hop, and why mail waits.

    Example: `varco routes show acme`
    """
    answer = api_client.call("relay", "GET", f"/accounts/{account}/route")
    answer["routes"] = api_client.call("relay", "GET", f"/accounts/{account}/routes")["routes"]
    output.show(answer, as_json, lambda: output.record(answer))


@app.command("test")
def try_route(account: Account, to: ToRecipient = "", as_json: Json = False) -> None:
    """Tests the route of an account: connects, encrypts and logs in, without sending a mail.

    Exit code 1 where the next hop would take no mail now.

    Examples: `varco routes test acme` · `varco routes test acme --to anna@partner.example`
    """
    answer = api_client.call("relay", "POST", f"/accounts/{account}/route/test", json={"to": to})
    output.show(answer, as_json, lambda: _print_test(answer))
    if not answer["ready"]:
        raise typer.Exit(Refused.exit_code)


@app.command("check")
def check_route(account: Account, to: ToRecipient = "", as_json: Json = False) -> None:
    """Checks every next hop of an account step by step, and says what is missing at the provider.

    Looks up its name, connects, encrypts, gets a token and logs in, as a mail would, and sends
    none. `routes test` says only whether mail would go. Exit code 1 where a step failed.

    With --to only the route to that recipient is checked. Direct delivery (`mx`) has next hops only
    then: the mail servers of the recipient's domain, with its DANE records and MTA-STS policy.

    Examples: `varco routes check acme` · `varco routes check acme --to anna@partner.example`
    """
    answer = api_client.call("relay", "POST", f"/accounts/{account}/route/check", json={"to": to})
    output.show(answer, as_json, lambda: _print_check(answer))
    if not answer["ready"]:
        raise typer.Exit(Refused.exit_code)


@app.command("set")
def set_route(
    account: Account,
    to: Annotated[
        list[str],
        typer.Argument(
            help="`host:port` or `mx:name`, also several in order of preference; `mx` or `blackhole`.", metavar="TO..."
        ),
    ],
    tls: Annotated[str | None, typer.Option(help="none, opportunistic or required.")] = None,
    login: Annotated[
        str | None,
        typer.Option(help="Login at the next hop; empty for none. Its password is read from standard input."),
    ] = None,
    balance: Annotated[bool, typer.Option("--balance", help="Spread mail over the next hops.")] = False,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Sets the next hops of an account. TLS and login stay as they are unless they are given.

    Mail goes to the first next hop that is up, with --balance to all. `mx` is direct delivery to
    the mail servers of each recipient, `mx:name` to those of that name.

    A new host or login needs the password again, so that it never goes to a host by mistake. A
    first route has opportunistic TLS and no login.

    Examples: `varco routes set acme mx.provider.example:25 --tls required` ·
    `varco routes set acme mx1.provider.example:25 mx2.provider.example:25` ·
    `varco routes set acme blackhole`
    """
    check_account(account)
    route = to[0] if to in (["blackhole"], ["mx"]) else _smarthost(_route(account)["route"], to, tls, login)
    if balance and isinstance(route, dict):
        route["balance"] = True
    change("relay", "PUT", f"/accounts/{account}/route", reason, as_json, json=route)


@app.command("which")
def which_route(
    account: Account,
    recipients: Annotated[list[str], typer.Argument(help="The recipients of the mail.", metavar="RECIPIENT...")],
    sender: Annotated[str, typer.Option("--from", help="The sender of the mail.")] = "",
    file: Annotated[str, typer.Option("--file", "-f", help="Under the routes of this account file.")] = "",
    as_json: Json = False,
) -> None:
    """Says which route a mail would take, and why. Nothing is sent or changed.

    Examples: `varco routes which acme carol@partner.example --from alice@acme.example` ·
    `varco routes which acme carol@partner.example -f acme.yaml`
    """
    sections = read(file).sections if file else {}
    form = {
        "sender": sender,
        "recipients": recipients,
        "sections": {name: sections[name] for name in ("route", "routes") if name in sections},
    }
    answer = api_client.call("relay", "POST", f"/accounts/{account}/routes/chosen", json=form)
    output.listing(("recipient", "goes_to", "why"), answer, as_json)


@app.command("remove")
def remove_route(account: Account, reason: Reason = "", as_json: Json = False) -> None:
    """Removes a route: VARCO_RELAY_DEFAULT_ROUTE holds, or mail waits where it is not set.

    Example: `varco routes remove acme --reason "provider changed"`
    """
    change("relay", "DELETE", f"/accounts/{account}/route", reason, as_json)


def _smarthost(present: object, to: list[str], tls: str | None, login: str | None) -> dict[str, Any]:
    """The route to send: what was not given is taken from the present one."""
    before = present if isinstance(present, dict) else {}
    hops = {"smarthost": to[0]} if len(to) == 1 else {"smarthosts": to}
    route: dict[str, Any] = {**hops, "tls": tls or before.get("tls", "opportunistic")}
    name = before.get("login", "") if login is None else login
    if name:
        route["login"] = name
        known = [before.get("smarthost"), *before.get("smarthosts", ())]
        same = login is None and all(hop in known for hop in to)
        if "oauth" in before and login is None:
            if not same:
                raise Misused("this route logs in by token: set another next hop with varco apply, or give --login")
            route["oauth"] = before["oauth"]
        elif not same:
            route["password"] = _password(name, ", ".join(to))
    return route


def _print_check(answer: dict[str, Any]) -> None:
    if answer["why"] or not answer["hops"]:
        output.line(f"{answer['goes_to']}: {answer['why'] or 'there is no next hop to check'}")
    for hop in answer["hops"]:
        output.line(f"{hop['next_hop']} ({hop['used_for']}): {'ready' if hop['ready'] else 'not ready'}")
        for step in hop["steps"]:
            output.line(f"  {'ok' if step['ok'] else 'FAILED':<8}{step['step']:<12}{step['text']}")
            if step["advice"]:
                output.line(f"          what to do: {step['advice']}")


def _print_test(answer: dict[str, Any]) -> None:
    if not answer["ready"]:
        output.line(f"{answer['goes_to']}: not ready: {answer['why']}")
        return
    login = f", logged in as {answer['login']}" if answer["login"] else ""
    output.line(f"{answer['goes_to']}: ready after {answer['seconds']:.2f} s ({answer['tls'] or 'no TLS'}{login})")
    if answer["max_size"]:
        output.line(f"it takes mails of up to {output.human_size(answer['max_size'])}")


def _password(login: str, host: str) -> str:
    if sys.stdin.isatty():
        return str(typer.prompt(f"Password of {login} at {host}", hide_input=True))
    if password := sys.stdin.readline().rstrip("\r\n"):
        return password
    raise Misused(f"login {login} at {host} needs its password on standard input, or --login '' for none")


def _route(account: str) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = api_client.call("relay", "GET", f"/accounts/{account}/route")
    except Refused:  # relay does not know the account yet
        return {"account": account, "route": None, "goes_to": "", "waiting": "", "untried": 0}
    return answer
