"""`varco bans`: hosts that are refused, why, and what is never to be."""

from typing import Annotated, Any

import typer

from varco_cli import api_client, output
from varco_cli.commands.shared import NeededReason, Reason, group
from varco_cli.failures import Misused
from varco_cli.output import Json

app = group("bans", "Banned hosts: list, show, add, lift, ignore, unignore, ignored, rules, log.")


Network = Annotated[str, typer.Argument(help="An address or a network: 192.0.2.7, 192.0.2.0/28.", metavar="NETWORK")]


@app.command("list")
def list_bans(as_json: Json = False) -> None:
    """The bans in force, the newest first, with what led to them.

    Example: `varco bans list`
    """
    answer = api_client.call("banguard", "GET", "/bans")
    columns = ["network", "since", "until", "n-th", "by", "evidence"]
    rows = [
        (ban["network"], ban["since"], _until(ban), ban["count"], ban["by"], _causes(ban["evidence"])) for ban in answer
    ]
    output.show(answer, as_json, lambda: output.table(columns, rows, empty="nobody is banned"))


@app.command("show")
def show(network: Network, as_json: Json = False) -> None:
    """All that is known of a host: its ban, the strikes with their logins and mails, and who refuses it.

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
    """Bans a host or a network by hand; a ban that is there is replaced.

    Example: `varco bans add 192.0.2.7 --bantime 1d --reason "scans for logins"`
    """
    form = {"network": network, "reason": reason} | ({"bantime": bantime} if bantime else {})
    ban = api_client.call("banguard", "POST", "/bans", json=form)
    output.show(ban, as_json, lambda: output.line(f"{ban['network']} is banned until {_until(ban)}"))


@app.command("lift")
def lift(network: Network, reason: NeededReason, as_json: Json = False) -> None:
    """Ends a ban at once. With an account's token: takes back the strikes that concern it.

    Example: `varco bans lift 192.0.2.7 --reason "mail client mended"`
    """
    done = api_client.call("banguard", "DELETE", f"/bans/{network}", params={"reason": reason})
    text = f"still banned: {done['why']}" if done["banned"] else "no longer banned"
    output.show(done, as_json, lambda: output.line(f"{done['network']} is {text}"))
    if done["banned"]:
        raise typer.Exit(1)


@app.command("ignored")
def list_ignored(as_json: Json = False) -> None:
    """The networks whose failures don't count.

    Example: `varco bans ignored`
    """
    answer = api_client.call("banguard", "GET", "/ignored")
    columns = ("network", "account", "since", "by", "reason")
    output.show(answer, as_json, lambda: output.rows(columns, answer))


@app.command("ignore")
def ignore(network: Network, reason: NeededReason, as_json: Json = False) -> None:
    """Its failures count no more, and bans that it covers end.

    With an account's token: failures that concern it.

    Example: `varco bans ignore 192.0.2.7 --reason "the office"`
    """
    done = api_client.call("banguard", "PUT", f"/ignored/{network}", params={"reason": reason})
    output.show(done, as_json, lambda: output.line(f"{done['network']} is ignored from now on"))


@app.command("unignore")
def unignore(
    network: Network,
    reason: NeededReason,
    account: Annotated[str, typer.Option("--account", help="What this account ignores.")] = "",
    as_json: Json = False,
) -> None:
    """Its failures count again.

    Example: `varco bans unignore 192.0.2.7 --reason "moved out"`
    """
    api_client.call("banguard", "DELETE", f"/ignored/{network}", params={"reason": reason, "account": account})
    output.show({"unignored": network}, as_json, lambda: output.line(f"{network} counts again"))


@app.command("rules")
def rules(
    changes: Annotated[list[str] | None, typer.Argument(help="fail2ban's words.", metavar="[NAME=VALUE]...")] = None,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Shows what bans go by, in fail2ban's words; or changes it.

    Examples: `varco bans rules` · `varco bans rules maxretry=5 bantime=1d bantime.increment=false
    strike.broken-off=off`
    """
    given = dict(_pair(change) for change in changes or [])
    if given:
        answer = api_client.call("banguard", "PATCH", "/rules", json=given, params={"reason": reason})
    else:
        answer = api_client.call("banguard", "GET", "/rules")
    rows = [(ban["name"], ban["value"], ban["about"]) for ban in answer]
    output.show(answer, as_json, lambda: output.table(["name", "value", "what it is"], rows))


@app.command("log")
def read_log(
    ip: Annotated[str, typer.Option("--ip", help="Only this host's lines.")] = "",
    lines: Annotated[int, typer.Option("-n", "--lines", help="So many of the newest.")] = 100,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with new lines as they come.")] = False,
) -> None:
    """The ban log, in fail2ban's format.

    Examples: `varco bans log` · `varco bans log --ip 192.0.2.7` · `varco bans log -f`
    """
    asked = {"ip": ip, "lines": lines, "follow": follow}
    for line in api_client.lines("banguard", "/log", params=asked):
        typer.echo(line)


def _pair(change: str) -> tuple[str, str]:
    name, equals, value = change.partition("=")
    if not equals:
        raise Misused(f"{change}: expected NAME=VALUE, such as maxretry=5")
    return name.strip(), value.strip()


def _until(ban: dict[str, Any]) -> str:
    return ban["until"] or "for ever"


def _causes(strikes: list[dict[str, Any]]) -> str:
    return ", ".join(sorted({strike["cause"] for strike in strikes}))


def _print_host(answer: dict[str, Any]) -> None:
    ban = answer["ban"]
    facts: dict[str, Any] = {"network": answer["network"], "banned": bool(ban)}
    if ban:
        facts |= {"since": ban["since"], "until": _until(ban), "n-th ban": ban["count"], "by": ban["by"]}
        facts |= {"reason": ban["reason"]}
    output.record(facts | {"ignored by": answer["ignored"]})
    strikes = [*(ban["evidence"] if ban else []), *answer["strikes"]]
    columns = ("at", "cause", "host", "login", "sender", "mail", "accounts")
    output.table(columns, [[strike[name] for name in columns] for strike in strikes], empty="no strikes")
    asked = ("service", "process", "how", "sequence", "enforces", "why_not")
    rows = [[ban[name] for name in asked] for ban in answer["enforcers"]]
    output.table(asked, rows, empty="no ingress answered")
