"""The commands of `varco`: where each is, and what the overview says of it.

A command is imported when it is run, so that the others cost it nothing.
"""

import textwrap
from collections.abc import Iterator
from importlib import import_module
from typing import NamedTuple

import typer


class Entry(NamedTuple):
    """`place` is a module of commands and the name of its function or group."""

    place: str
    about: str


SECTIONS: dict[str, dict[str, Entry]] = {
    "Mail": {
        "trace": Entry("trace:trace", "What became of a mail, from its session to its last recipient."),
        "queue": Entry("queue:app", "Mails that wait for delivery: look, retry, hold, release, drop."),
        "links": Entry("links:app", "Heavy attachments that left as links."),
        "archive": Entry("archive:app", "The blind copies of an account's mail."),
        "deadletters": Entry("deadletters:app", "Records that a service could not handle."),
    },
    "Account": {
        "apply": Entry("apply:apply", "Changes an account to what a file says. Shows the difference first."),
        "show": Entry("apply:show", "Prints an account as a file."),
        "whatif": Entry("whatif:whatif", "Decides past mails again under other rules. Changes nothing."),
        "settings": Entry("settings:app", "What was changed, when and by whom; the opposite of a change."),
        "account": Entry("account:app", "The JSON Schema of account files, for editors."),
        "accounts": Entry("accounts:app", "Accounts: list, open, close."),
        "users": Entry("users:app", "Logins of an account."),
        "senders": Entry("senders:app", "Addresses that an account may send as."),
        "domains": Entry("domains:app", "Domains of an account: proof, DKIM keys."),
        "networks": Entry("networks:app", "Networks that may send for an account without a login."),
        "rules": Entry("rules:app", "Sizes, recipients and attachments of an account's mails."),
        "quota": Entry("quota:app", "How much an account's senders may send."),
        "routes": Entry("routes:app", "The next hop of each account."),
        "notices": Entry("notices:app", "The texts that an account's users read."),
        "tokens": Entry("tokens:app", "Tokens of the HTTP APIs."),
    },
    "Gate": {
        "quickstart": Entry("quickstart:quickstart", "Asks a few questions and writes the first files of a gate."),
        "check": Entry("check:check", "Finds wrong settings, files and ports before a start."),
        "up": Entry("up:up", "Starts the whole gateway."),
        "status": Entry("status:status", "What runs where, and whether it is ready."),
        "restart": Entry("restart:restart", "Drains and restarts services, one after the other."),
        "down": Entry("down:down", "Drains and ends the gateway."),
        "bans": Entry("bans:app", "Banned hosts, the rules of bans, networks that are not banned."),
        "people": Entry("people:app", "People who use the console: add, list, link, remove."),
        "backup": Entry("backup:backup", "Writes the state of the gateway to a new directory or file."),
        "restore": Entry("backup:restore", "Restores a backup into an empty gateway."),
        "demo": Entry("demo:app", "Shows each rule with a mail, on a separate gateway."),
        "try": Entry("try_server:app", "How many recipients a mail server takes in one mail."),
        "init": Entry("init:init", "Makes secrets and configuration for docker compose."),
        "prepare": Entry("prepare:prepare", "Prepares bus and databases for docker compose."),
    },
    "Audit": {
        "events": Entry("events:app", "Every event: search, follow, export."),
        "state": Entry("state:state", "The settings of an account as they were at a time."),
        "audit": Entry("audit:app", "The proof that no event was changed, and the balance of all mail."),
        "replay": Entry("replay:app", "Decides recorded mails again, and rebuilds tables."),
    },
}
ENTRIES = {name: entry for section in SECTIONS.values() for name, entry in section.items()}


def overview() -> Iterator[str]:
    """Yields the lines that `varco` prints where no command is named."""
    yield "Varco: the gateway that a company's outgoing mail goes through."
    yield ""
    for title, entries in SECTIONS.items():
        yield from textwrap.wrap(", ".join(entries), 78, initial_indent=f"  {title:<9}", subsequent_indent=" " * 11)
    yield ""
    yield "Begin with `varco quickstart`, `varco up` or `varco demo`."
    yield "`varco -h` describes each command, `varco COMMAND -h` one of them."


def group(name: str) -> typer.Typer:
    """Creates the Typer app of a group of commands: `varco <name> ...`."""
    return typer.Typer(
        name=name, help=ENTRIES[name].about, no_args_is_help=True, add_completion=False, rich_markup_mode=None
    )


def load(name: str) -> typer.Typer:
    """Imports a command, and returns it as a Typer app of one command or of its group."""
    module, _, attribute = ENTRIES[name].place.partition(":")
    member = getattr(import_module(f"varco_cli.commands.{module}"), attribute)
    if isinstance(member, typer.Typer):
        return member
    single = typer.Typer(add_completion=False, rich_markup_mode=None)
    single.command(name)(member)
    return single
