"""`varco settings`: the history of an account's settings, and the opposite of a change."""

from typing import Annotated, Any
from urllib.parse import quote

import msgspec
import typer
import yaml

from varco_cli import api_client, output
from varco_cli.account_file import parsed
from varco_cli.catalogue import group
from varco_cli.commands.apply import apply_file
from varco_cli.commands.shared import Account, Reason, check_account
from varco_cli.failures import Refused
from varco_cli.output import Json
from varco_cli.token_names import TokenNames

app = group("settings")

_SHOWN_ELSEWHERE = ("type", "at", "account", "by", "reason")


@app.command("history")
def history(
    account: Account,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1_000, help="The largest number of changes.")] = 50,
    before: Annotated[int, typer.Option("--before", min=0, help="Only changes before this event.")] = 0,
    as_json: Json = False,
) -> None:
    """Lists the changes of an account's settings, the newest first: when, who, what and why.

    Example: `varco settings history acme`
    """
    params = {"limit": limit} | ({"before": before} if before else {})
    changes = api_client.call("audit", "GET", f"/accounts/{quote(account, safe='')}/changes", params=params)
    if not changes:
        check_account(account)
    names = TokenNames()
    rows = [
        (
            change["sequence"],
            change["time"],
            names.named(change["event"].get("by", "")),
            _words(change),
            _reason(change),
        )
        for change in changes
    ]
    columns = ("event", "time", "who", "change", "reason")
    output.show(changes, as_json, lambda: output.table(columns, rows, empty="nothing was changed"))


@app.command("undo")
def undo(
    event: Annotated[int, typer.Argument(help="The event, as `varco settings history` shows it.", min=1)],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask, unless something is removed.")] = False,
    prune: Annotated[bool, typer.Option("--prune", help="With --yes: remove without asking.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the difference.")] = False,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Makes the opposite change of one event: shows the difference, asks, applies it.

    What was changed since then stays. A value that a later change has touched is not brought back:
    undo the later change first. Passwords of logins can't be brought back, those of routes can.

    Examples: `varco settings undo 4711` · `varco settings undo 4711 --dry-run`
    """
    stored = api_client.call("audit", "GET", f"/events/{event}")
    account = str(stored["event"].get("account", ""))
    if not account:
        raise Refused(f"event {event} ({stored['fact']}) is no change of an account's settings")
    answer = api_client.call("audit", "GET", f"/accounts/{quote(account, safe='')}/changes/{event}/undo")
    text = yaml.safe_dump({"account": account, **answer["patch"]}, allow_unicode=True, sort_keys=False)
    opposite = parsed(f"the opposite of event {event}", text)
    why = reason or f"undoes event {event} ({stored['fact']})"
    apply_file(opposite, why, as_json, yes=yes, prune=prune, dry_run=dry_run)


def _words(change: dict[str, Any]) -> str:
    """Such as `sender authorised: pattern=@acme.example`."""
    facts = [f"{name}={_short(value)}" for name, value in change["event"].items() if name not in _SHOWN_ELSEWHERE]
    kind = str(change["fact"]).replace("-", " ")
    return f"{kind}: {' '.join(facts)}" if facts else kind


def _reason(change: dict[str, Any]) -> str:
    return str(change["event"].get("reason", ""))


def _short(value: object) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= 200 else text[:197] + "..."
