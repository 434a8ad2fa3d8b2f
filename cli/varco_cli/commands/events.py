"""`varco events`: searches, follows and exports the events that audit has indexed."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated, Any

import msgspec
import typer

from varco_cli import api_client, output, times
from varco_cli.catalogue import group
from varco_cli.commands.shared import check_account
from varco_cli.failures import Misused, Unreachable, in_words
from varco_cli.output import Json
from varco_cli.times import moment
from varco_cli.token_names import TokenNames

app = group("events")


_PAGE = 500
_PROGRESS_EVERY = 10_000

Mail = Annotated[str, typer.Option("--mail", help="Events of the mail with this id.")]
MessageId = Annotated[str, typer.Option("--message-id", help="Events of the mail with this Message-ID.")]
Sender = Annotated[str, typer.Option("--sender", help="Events of mail from this sender.")]
Recipient = Annotated[str, typer.Option("--recipient", help="Events that name this recipient.")]
Host = Annotated[str, typer.Option("--host", help="Events about this host.")]
Login = Annotated[str, typer.Option("--login", help="Events about this login.")]
Account = Annotated[str, typer.Option("--account", help="Events of this account.")]
Service = Annotated[str, typer.Option("--service", help="Events that this service appended.")]
Facts = Annotated[
    list[str] | None, typer.Option("--fact", help="Events of this kind, such as `mail-bounced`. May be repeated.")
]
Since = Annotated[str, typer.Option("--since", help="Events stored since then: a time, or how long ago (2h, 30d).")]
Until = Annotated[str, typer.Option("--until", help="Events stored before then.")]
After = Annotated[int, typer.Option("--after", min=0, help="Events after this sequence.")]


class _Position(msgspec.Struct):
    """The position of an exported line in the log."""

    sequence: int
    time: str


_decoder = msgspec.json.Decoder(_Position)


@app.command("tail")
def tail(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Continue with new events until Ctrl-C.")] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, max=1_000, help="How many of the newest events to print first.")
    ] = 20,
    mail: Mail = "",
    message_id: MessageId = "",
    sender: Sender = "",
    recipient: Recipient = "",
    host: Host = "",
    login: Login = "",
    account: Account = "",
    service: Service = "",
    fact: Facts = None,
    as_json: Json = False,
) -> None:
    """Prints the newest events, one a line, the oldest first. With --json, each line is JSON.

    Examples: `varco events tail --follow` ·
    `varco events tail -f --fact mail-refused --account acme --json`
    """
    names = TokenNames()
    query = _query(mail, message_id, sender, recipient, host, login, account, service, fact)
    newest = api_client.call("audit", "GET", "/events", params=query | {"limit": lines or 1})["events"]
    last = newest[0]["sequence"] if newest else 0
    for event in reversed(newest[:lines]):
        _show(event, as_json, names)
    if follow:
        with contextlib.suppress(KeyboardInterrupt):
            for text in api_client.lines("audit", "/events/stream", params=query | {"after": last, "follow": True}):
                _show(msgspec.json.decode(text), as_json, names)


@app.command("list")
def list_(
    mail: Mail = "",
    message_id: MessageId = "",
    sender: Sender = "",
    recipient: Recipient = "",
    host: Host = "",
    login: Login = "",
    account: Account = "",
    service: Service = "",
    fact: Facts = None,
    since: Since = "",
    until: Until = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="The largest number of events.")] = 100,
    oldest: Annotated[bool, typer.Option("--oldest", help="Begin with the oldest.")] = False,
    as_json: Json = False,
) -> None:
    """Lists the events that match all options, the newest first.

    Examples: `varco events list --mail 06eqkv3g8w3x5m7n2p4q` ·
    `varco events list --fact auth-failed --since 1d --account acme`
    """
    query = _query(mail, message_id, sender, recipient, host, login, account, service, fact) | _times(since, until)
    events, names = [], TokenNames()
    for event in _pages(query | {"order": "oldest" if oldest else "newest"}, limit):
        events.append(event)
        if not as_json:
            _show(event, as_json, names)
    if not events:
        check_account(account)
    if as_json:
        output.show(events, as_json, lambda: None)
    elif not events:
        output.line("no event matches")


@app.command("export")
def export(
    to: Annotated[Path, typer.Argument(help="The file, or `-` for standard output.", metavar="FILE")] = Path("-"),
    after: After = 0,
    mail: Mail = "",
    message_id: MessageId = "",
    sender: Sender = "",
    recipient: Recipient = "",
    host: Host = "",
    login: Login = "",
    account: Account = "",
    service: Service = "",
    fact: Facts = None,
    since: Since = "",
    until: Until = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Continue with new events until Ctrl-C.")] = False,
) -> None:
    """Exports events as lines of JSON, the oldest first.

    A line has the sequence, time, subject and event. `event` has the stored bytes, except that
    passwords and their hashes are masked. With --after, an interrupted export continues: it appends
    to the file.

    Examples: `varco events export november.jsonl --since 2026-11-01 --until 2026-12-01` ·
    `varco events export - --account acme`
    """
    query = _query(mail, message_id, sender, recipient, host, login, account, service, fact) | _times(since, until)
    question = query | {"after": after, "follow": follow}
    if str(to) == "-":
        _export(sys.stdout, question)
        return
    if to.exists() and not after:
        raise Misused(f"{to} exists already: remove it, or continue after its last event with --after SEQUENCE")
    try:
        with to.open("a", encoding="utf-8") as file:
            _export(file, question)
    except OSError as error:
        raise Misused(f"{to}: {in_words(error)}") from None


def _export(file: IO[str], question: dict[str, Any]) -> None:
    """Writes lines as they arrive. Prints progress, and how to continue, on standard error."""
    count, last = 0, int(question["after"])
    try:
        for text in api_client.lines("audit", "/events/stream", params=question):
            position = _decoder.decode(text)
            file.write(text + "\n")
            count, last = count + 1, position.sequence
            if question["follow"]:
                file.flush()
            if count % _PROGRESS_EVERY == 0:
                output.step(f"{count:,} events, up to {last} ({position.time[:19]})")
    except KeyboardInterrupt:
        pass
    except Unreachable as failure:
        raise Unreachable(f"{failure}: {count} events are exported; continue with --after {last}") from None
    finally:
        file.flush()
    output.step(f"{count:,} events, up to {last}; later ones: --after {last}")


def _pages(query: dict[str, Any], limit: int) -> Iterator[dict[str, Any]]:
    cursor = 0
    while limit > 0:
        params = query | {"cursor": cursor, "limit": min(limit, _PAGE)}
        page = api_client.call("audit", "GET", "/events", params=params)
        yield from page["events"]
        limit -= len(page["events"])
        if not (cursor := page["next"]):
            return


def _query(
    mail: str,
    message_id: str,
    sender: str,
    recipient: str,
    host: str,
    login: str,
    account: str,
    service: str,
    fact: list[str] | None,
) -> dict[str, Any]:
    values: dict[str, Any] = {"mail": mail, "message_id": message_id, "sender": sender, "recipient": recipient}
    values |= {"host": host, "login": login, "account": account, "service": service, "fact": fact}
    return {name: value for name, value in values.items() if value}


def _times(since: str, until: str) -> dict[str, str]:
    periods = {"since": since, "until": until}
    moments = {name: moment(text, f"--{name}") for name, text in periods.items() if text}
    if len(moments) == 2 and moments["since"] >= moments["until"]:
        raise Misused(f"--since {since} is not before --until {until}: nothing lies between")
    return {name: at.isoformat() for name, at in moments.items()}


def _show(stored: dict[str, Any], as_json: bool, names: TokenNames) -> None:
    if as_json:
        fields = {name: stored[name] for name in ("sequence", "time", "subject", "event")}
        typer.echo(msgspec.json.encode(fields).decode())
        return
    event = stored["event"]
    facts = " ".join(f"{name}={_short(value)}" for name, value in event.items() if name not in ("type", "at"))
    kind = event.get("type", stored["subject"])
    output.line(f"{stored['sequence']:>6} {times.local(stored['time'])} {kind} {names.named(facts)}")


def _short(value: object) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= 80 else text[:77] + "..."
