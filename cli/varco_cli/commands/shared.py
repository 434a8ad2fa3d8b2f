"""The options that several commands share, and the functions that print a change."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from varco_cli import api_client, output
from varco_cli.failures import CommandFailure, Conflict, Misused, Unreachable
from varco_cli.stack import AlreadyRunning, BrokenStart, FailedStart
from varco_common.base.durable_file import DamagedFile
from varco_common.base.errors import TransientError
from varco_common.base.settings import BrokenSetting

Account = Annotated[str, typer.Argument(help="The account's name.", metavar="ACCOUNT")]
Reason = Annotated[str, typer.Option("--reason", help="The reason, which the event records.")]
NeededReason = Annotated[str, typer.Option("--reason", help="The reason, which the event records. Required.")]

_STYLES = {"add": "green", "remove": "red", "change": "yellow"}


def group(name: str, about: str) -> typer.Typer:
    """Creates a group of commands: `varco <name> ...`."""
    return typer.Typer(name=name, help=about, no_args_is_help=True, rich_markup_mode="markdown")


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


@contextmanager
def command_failures() -> Iterator[None]:
    """Turns errors of the stack, the settings and the bus into CommandFailures."""
    try:
        yield
    except AlreadyRunning as error:
        raise Conflict(str(error)) from None
    except (BrokenSetting, BrokenStart, DamagedFile) as error:
        raise Misused(str(error)) from None
    except FailedStart as error:
        raise CommandFailure(str(error)) from None
    except TransientError as error:
        raise Unreachable(str(error)) from None


def read_password(from_stdin: bool) -> str:
    """Asks for a password twice, or reads a line of standard input. Raises Misused."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise Misused("no terminal to ask for the password at: give it with --password-stdin")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


def differences(changes: list[dict[str, Any]]) -> None:
    """Prints a line for each difference."""
    for change in changes:
        output.console.print(change["line"], style=_STYLES[change["op"]], markup=False)
    if not changes:
        output.line("no difference: it is so already")
