"""`varco replay`: what is on record, decided again."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from varco_cli import api_client, output
from varco_cli.commands.shared import group
from varco_cli.failures import Refused
from varco_cli.output import Json
from varco_cli.replay_output import followed
from varco_cli.times import moment

app = group("replay", "What is on record, decided again (docs/replay.md).")


_SERVICE = "audit"
Since = Annotated[str, typer.Option("--since", help="From when on: how long ago (30d, 12h), or a time.")]
Until = Annotated[str, typer.Option("--until", help="Until when; now, where it is left out.")]


@app.command("verify")
def verify(
    since: Since,
    until: Until = "",
    account: Annotated[str, typer.Option("--account", help="Only this account's mails.")] = "",
    as_json: Json = False,
) -> None:
    """Has every voter decide the mails of that time again, from events alone, and reports each vote that comes out otherwise.

    Exit code 0: none does; 1: some do, or an event can't be read.

    Examples: `varco replay verify --since 1d` · `varco replay verify --since 2026-11-01 --until 2026-11-08 --account acme`
    """
    path = f"/accounts/{quote(account, safe='')}/replay/verify" if account else "/replay/verify"
    params = {"since": moment(since, "--since").isoformat()}
    params |= {"until": moment(until, "--until").isoformat()} if until else {}
    differences: list[dict[str, Any]] = []
    for line in followed(api_client.lines(_SERVICE, path, params=params), "deciding again"):
        differences.append(line)
        if not as_json:
            _say(line)
    done = differences.pop()
    if as_json:
        output.show({**done, "found": differences}, as_json, lambda: None)
    if done["differences"] or done["unreadable"]:
        raise Refused(f"{done['differences']} votes come out otherwise, {done['unreadable']} events can't be read")


def _say(line: dict[str, Any]) -> None:
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
