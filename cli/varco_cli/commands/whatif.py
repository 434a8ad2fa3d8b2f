"""`varco whatif`: decides past mails again under other rules."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from varco_cli import api_client, output
from varco_cli.account_file import read
from varco_cli.commands.replay import Since, Until
from varco_cli.commands.shared import File, FileOption, the_file
from varco_cli.failures import CommandFailure, Misused, Refused
from varco_cli.output import Json
from varco_cli.replay_output import without_progress
from varco_cli.times import moment
from varco_common.account_file.parsing import AccountFile

_SERVICE = "audit"
_MAX_ROWS = 30


def whatif(
    file: File = "",
    file_option: FileOption = "",
    since: Since = "30d",
    until: Until = "",
    listed: Annotated[bool, typer.Option("--list", help="Print each mail whose outcome would change.")] = False,
    as_json: Json = False,
) -> None:
    """Decides past mails of an account again under the rules of a file, and counts the changes.

    It changes nothing. Sections that the file leaves out stay as they were. The votes on
    attachments, senders, size, recipients, quotas and filelink are replayed. With `route` or
    `routes` it also counts how many recipients take which route now and under the file.

    Examples: `varco whatif acme.yaml --since 30d` ·
    `varco show acme | sed s/20MB/5MB/ | varco whatif - --since 7d --list`
    """
    account_file = read(the_file(file, file_option))
    form: dict[str, Any] = {
        "sections": account_file.sections,
        "since": moment(since, "--since").isoformat(),
        "listed": listed,
    }
    form |= {"until": moment(until, "--until").isoformat()} if until else {}
    answer: list[dict[str, Any]] = []
    try:
        lines = api_client.lines(
            _SERVICE, f"/accounts/{quote(account_file.account, safe='')}/whatif", method="POST", json=form
        )
        for line in without_progress(lines, "deciding again"):
            answer.append(line)
            if not as_json:
                _print_line(line)
    except CommandFailure as failure:
        raise _with_lines(failure, account_file) from None
    if as_json:
        done = answer.pop()
        output.show({**done, "found": answer}, as_json, lambda: None)


def _with_lines(failure: CommandFailure, account_file: AccountFile) -> CommandFailure:
    """Adds the lines of the file to the errors of the owner."""
    errors = [f"{account_file.place(error['where'])}: {error['what']}" for error in failure.problem.get("errors", [])]
    if not errors:
        return failure
    return (Misused if isinstance(failure, Refused) else type(failure))("\n".join(errors))


def _print_line(line: dict[str, Any]) -> None:
    match line["line"]:
        case "change":
            output.line(line["text"])
        case "mail":
            mail = line["mail"]
            output.line(
                f"{mail['at']} {mail['id']} {mail['sender'] or '<>'} to {mail.get('first_recipient', '-')}"
                f"{' and others' if mail['recipients'] > 1 else ''}: {line['outcome']} ({line['rule']}: {line['reason']})"
            )
        case "unreadable":
            output.line(f"event {line['sequence']} can't be read and is skipped: {line['why']}")
        case "done":
            _done(line)


def _done(line: dict[str, Any]) -> None:
    output.line(f"{line['mails']} mails of {line['account']} from {line['since']} to {line['until']}")
    for name in line.get("ignored", ()):
        output.line(f"no vote depends on {name}: ignored")
    if routes := line.get("routes"):
        _routes(routes)
    if not line["outcomes"]:
        output.line("no outcome would have changed")
        return
    for outcome, number in sorted(line["outcomes"].items()):
        output.line(f"{number:>8} {outcome}")
    for title in ("rules", "senders"):
        rows = _sorted_counts(line[title])
        output.line("")
        output.table((title.removesuffix("s"), "outcome", "mails"), rows[:_MAX_ROWS])
        if len(rows) > _MAX_ROWS:
            output.line(f"and {len(rows) - _MAX_ROWS} more: --json has them all")


def _routes(moves: list[dict[str, Any]]) -> None:
    """How many recipients take each route now, and under the file."""
    counts: dict[str, list[int]] = {}
    for move in moves:
        counts.setdefault(move["before"], [0, 0])[0] += move["recipients"]
        counts.setdefault(move["after"], [0, 0])[1] += move["recipients"]
    moved = sum(move["recipients"] for move in moves if move["before"] != move["after"])
    output.line(f"{moved} of {sum(move['recipients'] for move in moves)} recipients would take another route")
    rows = [(route, *numbers) for route, numbers in sorted(counts.items(), key=lambda item: -max(item[1]))]
    output.table(("route", "now", "with the file"), rows[:_MAX_ROWS])
    output.line("")


def _sorted_counts(counts: dict[str, dict[str, int]]) -> list[tuple[str, str, int]]:
    """Returns (name, outcome, number) rows, the largest numbers first."""
    rows = [(name, outcome, number) for name, outcomes in counts.items() for outcome, number in outcomes.items()]
    return sorted(rows, key=lambda row: (-row[2], row[0], row[1]))
