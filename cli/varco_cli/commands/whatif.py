"""`varco whatif`: the mails of a time under other rules."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from varco_cli import api_client, output
from varco_cli.account_file import AccountFile, read
from varco_cli.commands.replay import Since, Until
from varco_cli.failures import Failure, Misused, Refused
from varco_cli.output import Json
from varco_cli.replay_output import followed, sorted_counts
from varco_cli.times import moment

_SERVICE = "audit"
_MOST_ROWS = 30


def whatif(
    file: Annotated[str, typer.Option("--file", "-f", help="An account's file, or `-` for standard input.")],
    since: Since = "30d",
    until: Until = "",
    listed: Annotated[bool, typer.Option("--list", help="Each mail that would fare otherwise, too.")] = False,
    as_json: Json = False,
) -> None:
    """Decides an account's mails again as if a file had held all that time, and says which would have fared otherwise.

    Nothing is changed by it. What the file leaves out is as it was. Attachments, senders, size, recipients, quotas and
    filelink are judged.

    Examples: `varco whatif -f acme.yaml --since 30d` · `varco show acme | sed s/20MB/5MB/ | varco whatif -f - --since 7d --list`
    """
    account_file = read(file)
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
        for line in followed(lines, "deciding again"):
            answer.append(line)
            if not as_json:
                _say(line)
    except Failure as failure:
        raise _located(failure, account_file) from None
    if as_json:
        done = answer.pop()
        output.show({**done, "found": answer}, as_json, lambda: None)


def _located(failure: Failure, account_file: AccountFile) -> Failure:
    """The owner's complaint with its line in the file."""
    complaints = [
        f"{account_file.place(error['where'])}: {error['what']}" for error in failure.problem.get("errors", [])
    ]
    if not complaints:
        return failure
    return (Misused if isinstance(failure, Refused) else type(failure))("\n".join(complaints))


def _say(line: dict[str, Any]) -> None:
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
            output.line(f"event {line['sequence']} can't be read, and is passed over: {line['why']}")
        case "done":
            _done(line)


def _done(line: dict[str, Any]) -> None:
    output.line(f"{line['mails']} mails of {line['account']} from {line['since']} to {line['until']}")
    for name in line.get("ignored", ()):
        output.line(f"no vote depends on {name}: passed over")
    if not line["outcomes"]:
        output.line("none would have fared otherwise")
        return
    for outcome, number in sorted(line["outcomes"].items()):
        output.line(f"{number:>8} {outcome}")
    for title in ("rules", "senders"):
        rows = sorted_counts(line[title])
        output.line("")
        output.table((title.removesuffix("s"), "outcome", "mails"), rows[:_MOST_ROWS])
        if len(rows) > _MOST_ROWS:
            output.line(f"and {len(rows) - _MOST_ROWS} more: --json has them all")
