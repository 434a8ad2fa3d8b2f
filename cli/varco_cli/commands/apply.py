"""`varco apply` and `varco show`: an account as a file."""

import sys
from typing import Annotated, Any

import typer

from varco_cli import api_client, output
from varco_cli.account_file import read
from varco_cli.commands.shared import Account, File, FileOption, Reason, differences, the_file
from varco_cli.failures import CommandFailure, Misused, Refused, Unreachable
from varco_cli.output import Json
from varco_cli.past_account import past_document
from varco_common.account_file.answers import losses, mistakes_with_places, sections_of
from varco_common.account_file.owners import OWNERS, Owner, body
from varco_common.account_file.parsing import AccountFile
from varco_common.account_file.printing import account_text
from varco_common.account_file.schema import completed
from varco_common.account_file.warnings import DEFAULT_MAX_MAIL_SIZE, placed_warnings
from varco_common.base import units
from varco_common.base.merge_patch import is_off


def apply(
    file: File = "",
    file_option: FileOption = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask, unless something is removed.")] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="With --yes: remove entries of lists, and what they hold, without asking.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the difference.")] = False,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Changes an account to what a file says: shows the difference, asks, applies it.

    What the file leaves out stays, at every level. `null` or `off` removes. A list is the whole
    list: entries that it leaves out are removed, which takes a yes, or --prune.

    Examples: `varco apply acme.yaml` ·
    `varco show acme | sed s/20MB/30MB/ | varco apply - --yes`
    """
    apply_file(read(the_file(file, file_option)), reason, as_json, yes=yes, prune=prune, dry_run=dry_run)


def apply_file(account_file: AccountFile, reason: str, as_json: bool, *, yes: bool, prune: bool, dry_run: bool) -> None:
    """Shows the difference, asks, and applies it. Raises a CommandFailure."""
    owners = _owners(account_file)
    planned = [_put(owner, account_file, {"dry_run": True, "reason": reason}) for owner in owners]
    changes = [change for answer in planned for change in answer["changes"]]
    if not as_json:
        differences(changes)
    odd = _warnings(account_file)
    for warning in odd:
        output.error(f"warning: {warning}")
    if changes and not dry_run:
        _ask(account_file.account, changes, yes=yes, prune=prune)
        _apply(
            account_file,
            [(owner, answer) for owner, answer in zip(owners, planned, strict=True) if answer["changes"]],
            reason,
        )
    applied = bool(changes) and not dry_run
    if as_json:
        answer = {"account": account_file.account, "applied": applied, "changes": changes, "warnings": odd}
        output.show(answer, as_json, lambda: None)
    elif applied:
        output.line(f"applied to account {account_file.account}")


def show(
    account: Account,
    at: Annotated[str, typer.Option("--at", help="As it was then: a time, how long ago (10m), or an event.")] = "",
    as_json: Json = False,
) -> None:
    """Prints an account as an account file with every key, without secrets.

    With --at it is the file that brings the account back to what it was then. Logins that were
    removed since need a new password in it.

    Examples: `varco show acme > acme.yaml` · `varco show acme --at 10m | varco apply -`
    """
    api_client.require_gate()
    document = completed(past_document(account, at) if at else _current(account))
    output.show(document, as_json, lambda: typer.echo(account_text(document), nl=False))


def _current(account: str) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for owner in OWNERS:
        if api_client.serving(owner.service):
            document |= _sections(owner, account)
    return document


def _sections(owner: Owner, account: str) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = api_client.call(owner.service, "GET", owner.path.format(account=account))
    except Refused:
        if owner.whole:
            raise
        return {}  # this service has nothing of the account
    return sections_of(owner, answer)


def _warnings(account_file: AccountFile) -> list[str]:
    """Returns what is legal and surely not meant, with the line where the file has it."""
    try:
        current = _current(account_file.account)
    except Refused:
        current = {}  # it is not open yet
    size = str((api_client.state() or {}).get("max_mail_size") or DEFAULT_MAX_MAIL_SIZE)
    return placed_warnings(account_file, current, _links_begin_with(), units.parse_size(size))


def _links_begin_with() -> str:
    """Returns the base URL of links of accounts that have none of their own."""
    try:
        return str(api_client.call("filelink", "GET", "/filelink")["links_begin_with"])
    except (Refused, Unreachable):
        return ""  # `apply` itself says so where it needs filelink


def _owners(account_file: AccountFile) -> list[Owner]:
    """Returns the owners of the sections in the file.

    Raises Unreachable where one isn't running, unless its sections are off.
    """
    api_client.require_gate()
    owners = []
    for owner in OWNERS:
        sections = [section for section in owner.sections if section in account_file.sections]
        if owner.whole or sections:
            if api_client.serving(owner.service):
                owners.append(owner)
            elif needed := [section for section in sections if not is_off(account_file.sections[section])]:
                place = account_file.place(needed[:1])
                raise Unreachable(f"{place}: needs service {owner.service}, which is not running")
    return owners


def _apply(account_file: AccountFile, planned: list[tuple[Owner, dict[str, Any]]], reason: str) -> None:
    """Sends each owner its sections, one after the other.

    Nothing is undone where a later one fails. The error names what was applied before.
    """
    done: list[str] = []
    for owner, answer in planned:
        try:
            _put(owner, account_file, {"reason": reason}, version=answer.get("version"))
        except CommandFailure as failure:
            if done:
                raise type(failure)(
                    f"{failure}\nthe sections of {' and '.join(done)} were applied before, the rest was not: apply the file again"
                ) from None
            raise
        done.append(owner.service)


def _put(owner: Owner, account_file: AccountFile, params: dict[str, Any], version: int | None = None) -> dict[str, Any]:
    path = owner.path.format(account=account_file.account)
    content = body(owner, account_file.sections)
    headers = {} if version is None else {"If-Match": f'"{version}"'}
    try:
        answer: dict[str, Any] = api_client.call(
            owner.service, "PATCH", path, params=params, json=content, headers=headers
        )
    except CommandFailure as failure:
        lines = mistakes_with_places(account_file, owner, failure.problem, str(failure))
        raise type(failure)("\n".join(lines)) from None
    return answer


def _ask(account: str, changes: list[dict[str, Any]], *, yes: bool, prune: bool) -> None:
    """Asks before changes are applied. A question about removals names them. Raises Refused."""
    lost = output.plain(losses(changes))
    if yes and (prune or not lost):
        return
    if not sys.stdin.isatty():
        missing = "--yes --prune" if lost and not yes else "--prune" if lost else "--yes"
        because = f"; the file {lost}" if lost else ""
        raise Misused(f"there is no terminal to ask at: give {missing} to apply{because}")
    count = f"{len(changes)} change{'s' if len(changes) > 1 else ''}"
    question = (
        f"The file {lost}. Apply {count} to account {account}?" if lost else f"Apply {count} to account {account}?"
    )
    if not typer.confirm(question):
        raise Refused("nothing was applied")
