"""`varco bans`: hosts that are refused, why, and what is never to be."""

from typing import Annotated, Any

import typer

from varco_cli import api_client, output
from varco_cli.commands.shared import NeededReason, Reason, noun
from varco_cli.failures import Misused
from varco_cli.output import Json

Network = Annotated[str, typer.Argument(help="An address or a network: 192.0.2.7, 192.0.2.0/28.", metavar="NETWORK")]


def add(app: typer.Typer) -> None:
    group = noun(app, "bans", "Banned hosts: list, show, add, lift, ignore, unignore, ignored, rules, log.")
    group.command("list")(list_bans)
    group.command("show")(show)
    group.command("add")(add_ban)
    group.command("lift")(lift)
    group.command("ignored")(list_ignored)
    group.command("ignore")(ignore)
    group.command("unignore")(unignore)
    group.command("rules")(rules)
    group.command("log")(read_log)


def list_bans(as_json: Json = False) -> None:
    """The bans in force, the newest first, with what led to them.

    Example: `varco bans list`
    """
    found = api_client.call("banguard", "GET", "/bans")
    columns = ["network", "since", "until", "n-th", "by", "evidence"]
    rows = [
        (one["network"], one["since"], _until(one), one["count"], one["by"], _causes(one["evidence"])) for one in found
    ]
    output.show(found, as_json, lambda: output.table(columns, rows, empty="nobody is banned"))


def show(network: Network, as_json: Json = False) -> None:
    """All that is known of a host: its ban, the strikes with their logins and mails, and who refuses it.

    Example: `varco bans show 192.0.2.7`
    """
    found = api_client.call("banguard", "GET", f"/bans/{network}")
    output.show(found, as_json, lambda: _print_host(found))


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
    made = api_client.call("banguard", "POST", "/bans", json=form)
    output.show(made, as_json, lambda: output.line(f"{made['network']} is banned until {_until(made)}"))


def lift(network: Network, reason: NeededReason, as_json: Json = False) -> None:
    """Ends a ban at once. With an account's token: takes back the strikes that concern it.

    Example: `varco bans lift 192.0.2.7 --reason "mail client mended"`
    """
    done = api_client.call("banguard", "DELETE", f"/bans/{network}", params={"reason": reason})
    text = f"still banned: {done['why']}" if done["banned"] else "no longer banned"
    output.show(done, as_json, lambda: output.line(f"{done['network']} is {text}"))
    if done["banned"]:
        raise typer.Exit(1)


def list_ignored(as_json: Json = False) -> None:
    """The networks whose failures don't count.

    Example: `varco bans ignored`
    """
    found = api_client.call("banguard", "GET", "/ignored")
    columns = ("network", "account", "since", "by", "reason")
    output.show(found, as_json, lambda: output.table(columns, [[one[name] for name in columns] for one in found]))


def ignore(network: Network, reason: NeededReason, as_json: Json = False) -> None:
    """Its failures count no more, and bans that it covers end. With an account's token: failures that concern it.

    Example: `varco bans ignore 192.0.2.7 --reason "the office"`
    """
    done = api_client.call("banguard", "PUT", f"/ignored/{network}", params={"reason": reason})
    output.show(done, as_json, lambda: output.line(f"{done['network']} is ignored from now on"))


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


def rules(
    changes: Annotated[list[str] | None, typer.Argument(help="fail2ban's words.", metavar="[NAME=VALUE]...")] = None,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Shows what bans go by, in fail2ban's words; or changes it.

    Examples: `varco bans rules` · `varco bans rules maxretry=5 bantime=1d bantime.increment=false strike.broken-off=off`
    """
    given = dict(_pair(change) for change in changes or [])
    if given:
        found = api_client.call("banguard", "PATCH", "/rules", json=given, params={"reason": reason})
    else:
        found = api_client.call("banguard", "GET", "/rules")
    rows = [(one["name"], one["value"], one["about"]) for one in found]
    output.show(found, as_json, lambda: output.table(["name", "value", "what it is"], rows))


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


def _print_host(found: dict[str, Any]) -> None:
    ban = found["ban"]
    facts: dict[str, Any] = {"network": found["network"], "banned": bool(ban)}
    if ban:
        facts |= {"since": ban["since"], "until": _until(ban), "n-th ban": ban["count"], "by": ban["by"]}
        facts |= {"reason": ban["reason"]}
    output.record(facts | {"ignored by": found["ignored"]})
    strikes = [*(ban["evidence"] if ban else []), *found["strikes"]]
    columns = ("at", "cause", "host", "login", "sender", "mail", "accounts")
    output.table(columns, [[strike[name] for name in columns] for strike in strikes], empty="no strikes")
    asked = ("service", "process", "how", "sequence", "enforces", "why_not")
    rows = [[one[name] for name in asked] for one in found["enforcers"]]
    output.table(asked, rows, empty="no ingress answered")
