"""`varco bans`: banned hosts, the rules of bans, and networks that are never banned."""

from ipaddress import ip_network
from typing import Annotated, Any
from urllib.parse import quote

import typer

from varco_cli import api_client, output, times
from varco_cli.catalogue import group
from varco_cli.commands.shared import NeededReason, Reason
from varco_cli.failures import Misused
from varco_cli.output import Json
from varco_cli.token_names import TokenNames

app = group("bans")
_GATEWAY = "it is a gateway, and other clients come from it, too (docs/docker.md, The client's address)"


Network = Annotated[str, typer.Argument(help="An address or a network: 192.0.2.7, 192.0.2.0/28.", metavar="NETWORK")]


@app.command("list")
def list_bans(as_json: Json = False) -> None:
    """Lists the bans in force and their evidence, the newest first; then logins that are stopped.

    With --json only the bans; for the others see `varco bans stopped`.

    Example: `varco bans list`
    """
    answer = api_client.call("banguard", "GET", "/bans")
    output.show(answer, as_json, lambda: _print_bans(answer))


@app.command("stopped")
def list_stopped(as_json: Json = False) -> None:
    """Lists the logins that are stopped at a host that several people share, the newest first.

    Example: `varco bans stopped`
    """
    answer = api_client.call("banguard", "GET", "/stops")
    output.show(answer, as_json, lambda: _print_stops(answer))


def _print_bans(answer: list[dict[str, Any]]) -> None:
    columns = ["network", "since", "until", "n-th", "by", "evidence"]
    names = TokenNames()
    rows = [
        (ban["network"], ban["since"], _until(ban), ban["count"], names.named(ban["by"]), _causes(ban["evidence"]))
        for ban in answer
    ]
    output.table(columns, rows, empty="no host is banned")
    for gateway in api_client.call("banguard", "GET", "/gateways"):
        if gateway["spared"]:
            output.line(f"{gateway['host']} is not banned, though it failed: {_GATEWAY}")
    if stops := api_client.call("banguard", "GET", "/stops"):
        output.line("")
        _print_stops(stops)


def _print_stops(stops: list[dict[str, Any]]) -> None:
    columns = ["stopped login", "at", "since", "until", "n-th", "why not the host"]
    rows = [
        (_who(stop), stop["network"], stop["since"], _until(stop), stop["count"], stop["because"]) for stop in stops
    ]
    output.table(columns, rows, empty="no login is stopped")


def _who(stop: dict[str, Any]) -> str:
    return stop["login"] or f"{stop['account']}, without a login"


@app.command("show")
def show(network: Network, as_json: Json = False) -> None:
    """Shows a host: its ban, its strikes with logins and mails, and the services that refuse it.

    Example: `varco bans show 192.0.2.7`
    """
    answer = api_client.call("banguard", "GET", f"/bans/{network}")
    output.show(answer, as_json, lambda: _print_host(answer))


@app.command("add")
def add_ban(
    network: Network,
    reason: NeededReason,
    bantime: Annotated[str, typer.Option("--bantime", help="`1h`, `7 days`, `-1` for ever.")] = "",
    as_json: Json = False,
) -> None:
    """Bans a host or a network. Replaces an existing ban.

    Example: `varco bans add 192.0.2.7 --bantime 1d --reason "scans for logins"`
    """
    form = {"network": network, "reason": reason} | ({"bantime": bantime} if bantime else {})
    ban = api_client.call("banguard", "POST", "/bans", json=form)
    output.show(ban, as_json, lambda: output.line(f"{ban['network']} is banned until {_until(ban)}"))


@app.command("lift")
def lift(
    target: Annotated[str, typer.Argument(help="An address, a network, or a stopped login.", metavar="NETWORK|LOGIN")],
    reason: NeededReason,
    as_json: Json = False,
) -> None:
    """Lifts a ban and the stops of logins at that host, or all stops of a login.

    With the token of an account, only the strikes and stops that concern it.

    Examples: `varco bans lift 192.0.2.7 --reason "mail client mended"` ·
    `varco bans lift mario@acme.example --reason "printer mended"`
    """
    if "@" in target or not _is_network(target):
        _lift_stops(target, reason, as_json=as_json)
        return
    network = target
    done = api_client.call("banguard", "DELETE", f"/bans/{network}", params={"reason": reason})
    text = f"still banned: {done['why']}" if done["banned"] else "no longer banned"
    output.show(done, as_json, lambda: output.line(f"{done['network']} is {text}"))
    if done["banned"]:
        raise typer.Exit(1)


def _is_network(text: str) -> bool:
    try:
        ip_network(text.strip(), strict=False)
    except ValueError:
        return False
    return True


def _lift_stops(login: str, reason: str, *, as_json: bool) -> None:
    done = api_client.call("banguard", "DELETE", f"/stops/{quote(login, safe='@')}", params={"reason": reason})
    output.show(done, as_json, lambda: output.line(f"{done['login']} may send again"))


@app.command("ignored")
def list_ignored(as_json: Json = False) -> None:
    """Lists the networks whose failures don't count.

    Example: `varco bans ignored`
    """
    answer = api_client.call("banguard", "GET", "/ignored")
    output.show(answer, as_json, lambda: _print_ignored(answer))


@app.command("ignore")
def ignore(network: Network, reason: NeededReason, as_json: Json = False) -> None:
    """Stops to count the failures of a network, and lifts the bans in it.

    With the token of an account, only failures that concern this account.

    Example: `varco bans ignore 192.0.2.7 --reason "the office"`
    """
    done = api_client.call("banguard", "PUT", f"/ignored/{network}", params={"reason": reason})
    output.show(done, as_json, lambda: output.line(f"{done['network']} is ignored from now on"))


@app.command("unignore")
def unignore(
    network: Network,
    reason: NeededReason,
    account: Annotated[str, typer.Option("--account", help="The account that ignores the network.")] = "",
    as_json: Json = False,
) -> None:
    """Counts the failures of a network again.

    Example: `varco bans unignore 192.0.2.7 --reason "moved out"`
    """
    api_client.call("banguard", "DELETE", f"/ignored/{network}", params={"reason": reason, "account": account})
    output.show({"unignored": network}, as_json, lambda: output.line(f"{network} counts again"))


@app.command("rules")
def rules(
    changes: Annotated[
        list[str] | None, typer.Argument(help="Rules in the terms of fail2ban.", metavar="[NAME=VALUE]...")
    ] = None,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Shows or changes the rules of bans, in the terms of fail2ban.

    Examples: `varco bans rules` ·
    `varco bans rules maxretry=5 bantime=1d bantime.increment=false strike.broken-off=off`
    """
    values = dict(_pair(change) for change in changes or [])
    if values:
        answer = api_client.call("banguard", "PATCH", "/rules", json=values, params={"reason": reason})
    else:
        answer = api_client.call("banguard", "GET", "/rules")
    rows = [(ban["name"], ban["value"], ban["about"]) for ban in answer]
    output.show(answer, as_json, lambda: output.table(["name", "value", "what it is"], rows))


@app.command("log")
def read_log(
    ip: Annotated[str, typer.Option("--ip", help="Only this host's lines.")] = "",
    lines: Annotated[int, typer.Option("-n", "--lines", help="How many of the newest lines.")] = 100,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Print new lines as they arrive.")] = False,
    as_json: Json = False,
) -> None:
    """Prints the ban log in the format of fail2ban. With --json, each line is JSON.

    Examples: `varco bans log` · `varco bans log --ip 192.0.2.7` · `varco bans log -f`
    """
    params = {"ip": ip, "lines": lines, "follow": follow, "json": as_json}
    for line in api_client.lines("banguard", "/log", params=params):
        typer.echo(line)


def _pair(change: str) -> tuple[str, str]:
    name, equals, value = change.partition("=")
    if not equals:
        raise Misused(f"{change}: expected NAME=VALUE, such as maxretry=5")
    return name.strip(), value.strip()


def _until(ban: dict[str, Any]) -> str:
    return times.local(ban["until"]) if ban["until"] else "for ever"


def _causes(strikes: list[dict[str, Any]]) -> str:
    return ", ".join(sorted({strike["cause"] for strike in strikes}))


def _print_ignored(answer: list[dict[str, Any]]) -> None:
    names = TokenNames()
    columns = ("network", "account", "since", "by", "reason")
    output.rows(columns, [entry | {"by": names.named(entry["by"])} for entry in answer])


def _print_host(answer: dict[str, Any]) -> None:
    ban = answer["ban"]
    facts: dict[str, Any] = {"network": answer["network"], "banned": bool(ban)}
    if ban:
        facts |= {"since": ban["since"], "until": _until(ban), "n-th ban": ban["count"]}
        facts |= {"by": TokenNames().named(ban["by"])}
        facts |= {"reason": ban["reason"]}
    output.record(facts | {"ignored by": answer["ignored"]})
    if answer["stops"]:
        _print_stops(answer["stops"])
    stopped = [strike for stop in answer["stops"] for strike in stop["evidence"]]
    strikes = [*(ban["evidence"] if ban else []), *stopped, *answer["strikes"]]
    columns = ("at", "cause", "host", "login", "sender", "mail", "accounts")
    output.rows(columns, strikes, empty="no strikes")
    enforcer_columns = ("service", "process", "how", "sequence", "enforces", "why_not")
    output.rows(enforcer_columns, answer["enforcers"], empty="no ingress answered")
