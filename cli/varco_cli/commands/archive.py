"""`varco archive`: the blind copy of an account's mail: its mailbox, where it is forwarded, and what is in it."""

import mailbox
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from varco_cli import api_client, output
from varco_cli.commands.shared import Account, NeededReason, Reason, change, group
from varco_cli.failures import Misused
from varco_cli.output import Json

app = group("archive", "A blind copy of all mail: status, enable, disable, search, export, remove.")


Sender = Annotated[str, typer.Option("--sender", help="Part of the envelope sender.")]
Recipient = Annotated[str, typer.Option("--recipient", help="Part of a recipient, blind ones too.")]
Subject = Annotated[str, typer.Option("--subject", help="Part of the subject.")]
Day = Annotated[str, typer.Option("--day", help="Arrived on this day (UTC): 2026-11-24.", metavar="DAY")]
Since = Annotated[str, typer.Option("--since", help="Arrived on this day (UTC) or later.", metavar="DAY")]
Until = Annotated[str, typer.Option("--until", help="Arrived before this day (UTC).", metavar="DAY")]

_PROGRESS_EVERY = 100


class Format(StrEnum):
    """How copies are written."""

    MBOX = "mbox"
    MAILDIR = "maildir"


@app.command("status")
def status(as_json: Json = False) -> None:
    """Every account whose mail is copied, and what is in its mailbox.

    Example: `varco archive status`
    """
    answer = api_client.call("archive", "GET", "/archive")
    columns = ("account", "login", "forward", "keep", "copies", "octets", "oldest", "in_session")
    rows = [[copy[name] for name in columns] for copy in answer]
    output.show(answer, as_json, lambda: output.table(columns, rows, empty="no account's mail is copied"))


@app.command("enable")
def enable(
    account: Account,
    pop3: Annotated[str, typer.Option("--pop3", help="The mailbox's login; its password is asked for.")] = "",
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password's line there.")] = False,
    forward: Annotated[str, typer.Option("--forward", help="The address that copies go to.")] = "",
    form: Annotated[str, typer.Option("--form", help="How they are forwarded: plain or journal.")] = "",
    return_path: Annotated[str, typer.Option("--return-path", help="Envelope sender of forwarded copies.")] = "",
    keep: Annotated[str, typer.Option("--keep", help="How long copies stay in the mailbox, such as `7 days`.")] = "",
    senders_told: Annotated[
        str, typer.Option("--senders-told", help="Who told the senders that they are copied, and when.")
    ] = "",
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Turns copies on, or changes how; what isn't named stays. Senders must have been told first.

    Examples: `varco archive enable acme --pop3 archive@acme.example --senders-told "HR,
    2026-11-02"` · `varco archive enable acme --forward boss@acme.example --form journal`
    """
    path = f"/accounts/{account}/archive"
    settings: dict[str, Any] = api_client.call("archive", "GET", path)["archive"] or {}
    if pop3:
        settings["pop3"] = {"login": pop3} | (
            {"password": _password(password_stdin)} if _is_new_mailbox(settings, pop3) else {}
        )
    elif password_stdin:
        settings.setdefault("pop3", {})["password"] = _password(True)
    if forward or form or return_path:
        forwarding = settings.get("forward") or {}
        forwarding = {"to": forwarding} if isinstance(forwarding, str) else forwarding
        named = {"to": forward, "form": form, "return_path": return_path}
        settings["forward"] = forwarding | {name: value for name, value in named.items() if value}
    settings |= {name: value for name, value in (("keep", keep), ("senders_told", senders_told)) if value}
    change("archive", "PUT", path, reason, as_json, json=settings)


@app.command("disable")
def disable(
    account: Account,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Turns all copies off; those in the mailbox are removed.

    Example: `varco archive disable acme --reason "contract ended"`
    """
    if not yes and not (sys.stdin.isatty() and typer.confirm(f"Remove all copies of {account}'s mail?")):
        raise Misused("nothing was changed: say --yes to remove the mailbox and its copies")
    path = f"/accounts/{account}/archive"
    change("archive", "PUT", path, reason, as_json, json=False)


@app.command("search")
def search(
    account: Account,
    sender: Sender = "",
    recipient: Recipient = "",
    subject: Subject = "",
    day: Day = "",
    since: Since = "",
    until: Until = "",
    as_json: Json = False,
) -> None:
    """Copies in the mailbox by sender, recipient, subject and day, the oldest first.

    Example: `varco archive search acme --recipient bob@partner.example --day 2026-11-24`
    """
    settings = {"sender": sender, "recipient": recipient, "subject": subject} | _times(day, since, until)
    answer = list(_pages(account, settings))
    columns = ("mail", "arrived", "size", "sender", "recipients", "subject")
    rows = [[copy[name] for name in columns] for copy in answer]
    output.show(answer, as_json, lambda: output.table(columns, rows, empty="no copy is like that"))


@app.command("export")
def export(
    account: Account,
    to: Annotated[Path, typer.Argument(help="The mbox file, or the Maildir; it must not exist.", metavar="PATH")],
    form: Annotated[Format, typer.Option("--format", help="How copies are written.")] = Format.MBOX,
    day: Day = "",
    since: Since = "",
    until: Until = "",
    reason: Reason = "",
) -> None:
    """Writes copies into an mbox file or a Maildir, with progress.

    That you did so becomes an event.

    Example: `varco archive export acme november.mbox --since 2026-11-01 --until 2026-12-01`
    """
    if to.exists():
        raise Misused(f"{to} exists already")
    times = _times(day, since, until)
    api_client.call("archive", "POST", f"/accounts/{account}/archive/export", params=times | {"reason": reason})
    store = mailbox.mbox(to) if form is Format.MBOX else mailbox.Maildir(to)
    count = 0
    try:
        for copy in _pages(account, times):
            text = api_client.fetch("archive", f"/accounts/{account}/archive/copies/{copy['mail']}")
            store.add(text.replace(b"\r\n", b"\n"))  # lines as files have them here
            count += 1
            if count % _PROGRESS_EVERY == 0:
                output.step(f"{count} copies, up to {copy['arrived']}")
        store.flush()
    finally:
        store.close()
    output.line(f"{count} copies are in {to}")


@app.command("remove")
def remove(
    account: Account,
    mail: Annotated[str, typer.Argument(help="The mail's id.", metavar="MAIL")],
    reason: NeededReason,
    as_json: Json = False,
) -> None:
    """Removes one copy from the mailbox.

    Example: `varco archive remove acme 06d2k3m8s1x7v0c2b9qa --reason "asked for by the sender"`
    """
    api_client.call("archive", "DELETE", f"/accounts/{account}/archive/copies/{mail}", params={"reason": reason})
    output.show({"removed": mail}, as_json, lambda: output.line(f"the copy of {mail} is removed"))


def _pages(account: str, settings: dict[str, str]) -> Iterator[dict[str, Any]]:
    cursor = 0
    while True:
        params = settings | {"cursor": str(cursor), "limit": "500"}
        page = api_client.call("archive", "GET", f"/accounts/{account}/archive/copies", params=params)
        yield from page["copies"]
        cursor = page["next"]
        if not cursor:
            return


def _times(day: str, since: str, until: str) -> dict[str, str]:
    if day and (since or until):
        raise Misused("--day, or --since and --until")
    first, last = _day(day or since), _day(until)
    if day and first:
        last = first + timedelta(days=1)
    return {name: at.isoformat() for name, at in (("since", first), ("until", last)) if at}


def _day(text: str) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise Misused(f"{text}: expected a day such as 2026-11-24") from None


def _is_new_mailbox(section: dict[str, Any], login: str) -> bool:
    return bool((section.get("pop3") or {}).get("login") != login.strip().lower())


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise Misused("no terminal to ask for the password at: give it with --password-stdin")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
