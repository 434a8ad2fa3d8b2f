"""`varco apply` and `varco show`: an account as a file."""

import sys
from typing import Annotated, Any

import typer
import yaml

from varco_cli import api_client, output
from varco_cli.account_file import OWNERS, AccountFile, Owner, body, is_off, read
from varco_cli.commands.shared import Account, Reason, differences
from varco_cli.failures import Failure, Misused, Refused, Unreachable
from varco_cli.output import Json


def apply(
    file: Annotated[str, typer.Option("--file", "-f", help="The account's file, or `-` for standard input.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the difference.")] = False,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Makes an account what a file says: shows the difference, asks, applies.

    What is left out is left as it is.

    Examples: `varco apply -f acme.yaml` · `varco show acme | sed s/20MB/30MB/ | varco apply -f -
    --yes`
    """
    account_file = read(file)
    owners = _owners(account_file)
    planned = [_put(owner, account_file, {"dry_run": True, "reason": reason}) for owner in owners]
    changes = [change for answer in planned for change in answer["changes"]]
    if not as_json:
        differences(changes)
    if changes and not dry_run:
        _ask(account_file.account, len(changes), yes)
        _apply(
            account_file,
            [(owner, answer) for owner, answer in zip(owners, planned, strict=True) if answer["changes"]],
            reason,
        )
    applied = bool(changes) and not dry_run
    if as_json:
        output.show({"account": account_file.account, "applied": applied, "changes": changes}, as_json, lambda: None)
    elif applied:
        output.line(f"applied to account {account_file.account}")


def show(account: Account, as_json: Json = False) -> None:
    """Prints an account as its file would describe it, secrets left out.

    Example: `varco show acme > acme.yaml`
    """
    owners: dict[str, Any] = {}
    for owner in OWNERS:
        if api_client.serving(owner.service):
            owners |= _shown(owner, account)
    text = yaml.safe_dump(owners, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)
    output.show(owners, as_json, lambda: typer.echo(text, nl=False))


def _shown(owner: Owner, account: str) -> dict[str, Any]:
    try:
        answer = api_client.call(owner.service, "GET", owner.path.format(account=account))
    except Refused:
        if owner.whole:
            raise
        return {}  # this owner has nothing of the account
    if owner.whole:
        return {section: value for section, value in answer.items() if value not in ({}, [], None)}
    section = owner.sections[0]
    value = answer.get(section, answer)
    return {} if value is None else {section: value}


def _owners(account_file: AccountFile) -> list[Owner]:
    """Those that the file has sections for.

    Raises Unreachable where one of them isn't running and isn't off.
    """
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
    """One owner after the other: there is no undoing, so what is done already is said where a later one fails."""
    done: list[str] = []
    for owner, answer in planned:
        try:
            _put(owner, account_file, {"reason": reason}, version=answer.get("version"))
        except Failure as failure:
            if done:
                raise type(failure)(
                    f"{failure}\napplied before that: what is {' and '.join(done)}'s; the rest is not. Apply the file again"
                ) from None
            raise
        done.append(owner.service)


def _put(owner: Owner, account_file: AccountFile, params: dict[str, Any], version: int | None = None) -> dict[str, Any]:
    path = owner.path.format(account=account_file.account)
    content = body(owner, account_file.sections)
    headers = {} if version is None else {"If-Match": f'"{version}"'}
    try:
        answer: dict[str, Any] = api_client.call(
            owner.service, "PUT", path, params=params, json={} if content is None else content, headers=headers
        )
    except Failure as failure:
        raise type(failure)(_located(failure, owner, account_file)) from None
    return answer


def _located(failure: Failure, owner: Owner, account_file: AccountFile) -> str:
    """The owner's complaints, each with its line in the file."""
    first = [] if owner.whole else list(owner.sections)
    complaints = [
        f"{account_file.place([*first, *error['where'][1:]])}: {error['what']}"
        for error in failure.problem.get("errors", [])
    ]
    return "\n".join(dict.fromkeys(complaints)) or f"{account_file.name}: {failure}"


def _ask(account: str, count: int, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise Misused("nobody can be asked here: say --yes to apply")
    if not typer.confirm(f"Apply {count} change{'s' if count > 1 else ''} to account {account}?"):
        raise Refused("nothing was applied")
