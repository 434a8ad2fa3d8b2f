"""`varco replay`: decides recorded mails again."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from varco_cli import api_client, output
from varco_cli.catalogue import group
from varco_cli.commands.rebuild import rebuild
from varco_cli.failures import Refused
from varco_cli.output import Json
from varco_cli.replay_output import without_progress
from varco_cli.times import moment

app = group("replay")
app.command("rebuild")(rebuild)


_SERVICE = "audit"
Since = Annotated[str, typer.Option("--since", help="Begin of the period: how long ago (30d, 12h), or a time.")]
Until = Annotated[str, typer.Option("--until", help="End of the period. Default: now.")]


@app.command("verify")
def verify(
    since: Since,
    until: Until = "",
    account: Annotated[str, typer.Option("--account", help="Only mails of this account.")] = "",
    as_json: Json = False,
) -> None:
    """Replays the votes of all voters from the events, and reports each vote that differs.

    Exit code 0: no vote differs. 1: votes differ, or an event can't be read.

    Examples: `varco replay verify --since 1d` ·
    `varco replay verify --since 2026-11-01 --until 2026-11-08 --account acme`
    """
    path = f"/accounts/{quote(account, safe='')}/replay/verify" if account else "/replay/verify"
    params = {"since": moment(since, "--since").isoformat()}
    params |= {"until": moment(until, "--until").isoformat()} if until else {}
    differences: list[dict[str, Any]] = []
    for line in without_progress(api_client.lines(_SERVICE, path, params=params), "deciding again"):
        differences.append(line)
        if not as_json:
            _print_line(line)
    done = differences.pop()
    if as_json:
        output.show({**done, "found": differences}, as_json, lambda: None)
    if done["differences"] or done["unreadable"]:
        raise Refused(f"{done['differences']} votes differ, {done['unreadable']} events can't be read")


def _print_line(line: dict[str, Any]) -> None:
    match line["line"]:
        case "difference":
            _difference(line)
        case "unreadable":
            output.line(f"event {line['sequence']} can't be read ({line['service']}): {line['why']}")
        case "done":
            _done(line)


def _difference(line: dict[str, Any]) -> None:
    mail, recorded, again = line["mail"], line["recorded"], line["again"]
    output.line(f"{mail['id']} {mail['at']} {mail['account']} from {mail['sender'] or '<>'} (event {mail['sequence']})")
    output.line(f"  {line['voter']}, {', '.join(line['fields'])}:")
    for name, vote in (("on record", recorded), ("again", again)):
        more = [f"{field}: {vote.get(field)}" for field in ("text", "convert") if field in line["fields"]]
        output.line("; ".join([f"  {name}: {vote['reply']} ({vote.get('reason') or 'no reason given'})", *more]))


def _done(line: dict[str, Any]) -> None:
    columns = ("who", "mails", "votes cast again", "differences", "silent", "refused early", "can't tell")
    names = ("mails", "votes", "differences", "silent", "early", "unclear")
    rows = [(who, *(counts.get(name, 0) for name in names)) for who, counts in sorted(line["counts"].items())]
    output.table(columns, rows)
    output.line(
        f"from {line['since']} to {line['until']}, up to event {line['events']}: {line['differences']} differences"
    )
