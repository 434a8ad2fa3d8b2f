"""`varco archive`: the blind copies of an account's mail."""

import contextlib
import mailbox
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from varco_cli import api_client, output
from varco_cli.catalogue import group
from varco_cli.commands.shared import Account, NeededReason, Reason, Yes, change, check_account, confirm, read_password
from varco_cli.failures import Misused, in_words
from varco_cli.output import Json

app = group("archive")


Sender = Annotated[str, typer.Option("--sender", help="Part of the envelope sender.")]
Recipient = Annotated[str, typer.Option("--recipient", help="Part of a recipient, blind copies included.")]
Subject = Annotated[str, typer.Option("--subject", help="Part of the subject.")]
Day = Annotated[str, typer.Option("--day", help="Arrived on this day (UTC): 2026-11-24.", metavar="DAY")]
Since = Annotated[str, typer.Option("--since", help="Arrived on this day (UTC) or later.", metavar="DAY")]
Until = Annotated[str, typer.Option("--until", help="Arrived before this day (UTC).", metavar="DAY")]

_PROGRESS_EVERY = 100


class Format(StrEnum):
    """The format of exported copies."""

    MBOX = "mbox"
    MAILDIR = "maildir"


@app.command("status")
def status(as_json: Json = False) -> None:
    """Lists the accounts whose mail is copied, and the contents of their mailboxes.

    `collected` is when a POP3 client last fetched copies, or found nothing new.

    Example: `varco archive status`
    """
    answer = api_client.call("archive", "GET", "/archive")
    columns = ("account", "login", "forward", "keep", "copies", "octets", "oldest", "collected", "in_session")
    output.listing(columns, answer, as_json, empty="no account's mail is copied")


@app.command("enable")
def enable(
    account: Account,
    pop3: Annotated[str, typer.Option("--pop3", help="Login of the mailbox. The command asks for its password.")] = "",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    forward: Annotated[str, typer.Option("--forward", help="Address to which copies are forwarded.")] = "",
    form: Annotated[str, typer.Option("--form", help="Form of forwarded copies: plain or journal.")] = "",
    return_path: Annotated[str, typer.Option("--return-path", help="Envelope sender of forwarded copies.")] = "",
    keep: Annotated[str, typer.Option("--keep", help="How long copies stay in the mailbox, such as `7 days`.")] = "",
    senders_told: Annotated[
        str, typer.Option("--senders-told", help="Who told the senders that they are copied, and when.")
    ] = "",
    yes: Yes = False,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Turns copies on or changes their settings. Settings that are not named stay.

    The senders must have been told before. Asks before copies are deleted, as a shorter `--keep`
    does.

    Examples: `varco archive enable acme --pop3 archive@acme.example --senders-told "HR,
    2026-11-02"` ·
    `varco archive enable acme --forward boss@acme.example --form journal`
    """
    check_account(account)
    path = f"/accounts/{account}/archive"
    settings: dict[str, Any] = api_client.call("archive", "GET", path)["archive"] or {}
    if pop3:
        settings["pop3"] = {"login": pop3} | (
            {"password": read_password(password_stdin)} if _is_new_mailbox(settings, pop3) else {}
        )
    elif password_stdin:
        settings.setdefault("pop3", {})["password"] = read_password(True)
    if forward or form or return_path:
        forwarding = settings.get("forward") or {}
        forwarding = {"to": forwarding} if isinstance(forwarding, str) else forwarding
        named = {"to": forward, "form": form, "return_path": return_path}
        settings["forward"] = forwarding | {name: value for name, value in named.items() if value}
    settings |= {name: value for name, value in (("keep", keep), ("senders_told", senders_told)) if value}
    params = {"reason": reason, "dry_run": True}
    planned = api_client.call("archive", "PUT", path, params=params, json=settings)["changes"]
    if destroyed := ", ".join(item["destroys"] for item in planned if item["destroys"]):
        confirm(f"Delete {destroyed}?", yes)
    change("archive", "PUT", path, reason, as_json, json=settings)


@app.command("disable")
def disable(
    account: Account,
    yes: Yes = False,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Turns copies off and removes the mailbox with its copies. Asks first.

    Example: `varco archive disable acme --reason "contract ended"`
    """
    confirm(f"Remove the mailbox of account {account} with all its copies?", yes)
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
    """Searches the mailbox by sender, recipient, subject and day. Prints the oldest copy first.

    Example: `varco archive search acme --recipient bob@partner.example --day 2026-11-24`
    """
    settings = {"sender": sender, "recipient": recipient, "subject": subject} | _times(day, since, until)
    answer = list(_pages(account, settings))
    if not answer:
        check_account(account)
    columns = ("mail", "arrived", "size", "sender", "recipients", "subject")
    output.listing(columns, answer, as_json, empty="no copy is like that")


@app.command("export")
def export(
    account: Account,
    to: Annotated[
        Path,
        typer.Argument(
            help="The new mbox file or Maildir, which must not exist; `-` for an mbox on standard output.",
            metavar="PATH",
        ),
    ],
    form: Annotated[Format, typer.Option("--format", help="The format of the copies: mbox or maildir.")] = Format.MBOX,
    day: Day = "",
    since: Since = "",
    until: Until = "",
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Exports copies to an mbox file or a Maildir. The export is recorded as an event.

    With `-`, progress and the number of copies are on standard error.

    Examples: `varco archive export acme november.mbox --since 2026-11-01 --until 2026-12-01` ·
    `varco archive export acme - | gzip > acme.mbox.gz`
    """
    store = _store(to, form)
    times = _times(day, since, until)
    api_client.call("archive", "POST", f"/accounts/{account}/archive/export", params=times | {"reason": reason})
    count = 0
    with contextlib.closing(store):
        for copy in _pages(account, times):
            text = api_client.fetch("archive", f"/accounts/{account}/archive/copies/{copy['mail']}")
            store.add(text.replace(b"\r\n", b"\n"))  # files have LF line ends
            count += 1
            if count % _PROGRESS_EVERY == 0:
                output.step(f"{count} copies, up to {copy['arrived']}")
        store.flush()
    if str(to) == "-":
        output.step(f"{count} copies")
    else:
        output.show({"copies": count, "path": str(to)}, as_json, lambda: output.line(f"{count} copies are in {to}"))


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


class _StandardOutput:
    """An mbox on standard output: the part of mailbox.mbox that an export uses."""

    def __init__(self) -> None:
        self._out = sys.stdout.buffer

    def add(self, message: bytes) -> None:
        """Writes the lines of a mail as mailbox.mbox does: a `From ` that begins one gets a `>`."""
        end = b"\n" if message.endswith(b"\n") else b"\n\n"
        begin = f"From MAILER-DAEMON {datetime.now(UTC):%a %b %e %H:%M:%S %Y}\n".encode()
        self._out.write(begin + re.sub(rb"^From ", b">From ", message, flags=re.MULTILINE) + end)

    def flush(self) -> None:
        self._out.flush()

    def close(self) -> None:
        """Standard output stays open."""


def _store(to: Path, form: Format) -> "mailbox.Mailbox[Any] | _StandardOutput":
    if str(to) == "-":
        if form is Format.MAILDIR:
            raise Misused("a Maildir is a directory: standard output takes an mbox")
        return _StandardOutput()
    if to.exists():
        raise Misused(f"{to} exists already: name a new file or directory")
    try:
        return mailbox.mbox(to) if form is Format.MBOX else mailbox.Maildir(to)
    except OSError as error:
        raise Misused(f"{to}: {in_words(error)}") from None


def _pages(account: str, settings: dict[str, str]) -> Iterator[dict[str, Any]]:
    params = settings | {"limit": "500"}
    for page in api_client.pages("archive", f"/accounts/{account}/archive/copies", params):
        yield from page["copies"]


def _times(day: str, since: str, until: str) -> dict[str, str]:
    if day and (since or until):
        raise Misused("give either --day, or --since and --until")
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
