"""The options that several commands share, and the functions that print a change."""

import sys
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

import typer

from varco_cli import api_client, output
from varco_cli.failures import CommandFailure, Misused, Refused
from varco_cli.output import Styled


def accounts_like(incomplete: str) -> list[str]:
    """Returns the accounts that begin like this, for the completion of the shell."""
    try:
        accounts = api_client.call("policy", "GET", "/accounts")
    except CommandFailure:  # a shell that completes a word has no place for errors
        return []
    return [account["account"] for account in accounts if account["account"].startswith(incomplete)]


Account = Annotated[str, typer.Argument(help="The account's name.", metavar="ACCOUNT", autocompletion=accounts_like)]
File = Annotated[str, typer.Argument(help="The account's file, or `-` for standard input.", metavar="FILE")]
FileOption = Annotated[str, typer.Option("--file", "-f", help="The same as FILE.", metavar="FILE")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]
Reason = Annotated[str, typer.Option("--reason", help="The reason, which the event records.")]
NeededReason = Annotated[str, typer.Option("--reason", help="The reason, which the event records. Required.")]

_STYLES = {"add": "green", "remove": "red", "change": "yellow"}


def change(
    service: str,
    method: str,
    path: str,
    reason: str,
    as_json: bool,
    *,
    json: object = None,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Sends a command to the service that owns the setting, and prints what it changed."""
    answer = api_client.call(service, method, path, params={"reason": reason}, json=json, headers=headers)
    output.show(answer, as_json, lambda: differences(answer["changes"]))


def read_password(from_stdin: bool) -> str:
    """Asks for a password twice, or reads a line of standard input. Raises Misused."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise Misused("no terminal to ask for the password at: give it with --password-stdin")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


def check_account(account: str) -> None:
    """Raises Refused where no such account is open.

    Services but policy take settings of an account that is not open yet, for a file that opens it.
    """
    if account and api_client.serving("policy"):
        api_client.call("policy", "GET", f"/accounts/{quote(account, safe='')}")


def the_file(argument: str, option: str) -> str:
    """Returns the file that was named, as an argument or with -f. Raises Misused without one."""
    if bool(argument) == bool(option):
        raise Misused("name one file, or `-` for standard input, such as `varco apply acme.yaml`")
    return argument or option


def differences(changes: list[dict[str, Any]]) -> None:
    """Prints a line for each difference."""
    for change in changes:
        output.line(Styled(change["line"], _STYLES[change["op"]]))
    if not changes:
        output.line("no difference: it is so already")


def confirm(question: str, yes: bool) -> None:
    """Asks before something is lost for good.

    Raises Misused where there is no terminal to ask at, Refused after a no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise Misused(f"{question} There is no terminal to ask at: give --yes")
    if not typer.confirm(question, err=True):
        raise Refused("nothing was changed")
