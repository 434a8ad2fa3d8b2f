"""Options that several commands share, and how a command prints a change."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from varco_cli import api_client, output

Account = Annotated[str, typer.Argument(help="The account's name.", metavar="ACCOUNT")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it goes into the event.")]
NeededReason = Annotated[str, typer.Option("--reason", help="Why; it goes into the event. Must be given.")]

_STYLES = {"add": "green", "remove": "red", "change": "yellow"}


def group(name: str, about: str) -> typer.Typer:
    """A group of commands: `varco <name> ...`."""
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


def differences(changes: list[dict[str, Any]]) -> None:
    """A line for each difference."""
    for change in changes:
        output.console.print(change["line"], style=_STYLES[change["op"]], markup=False)
    if not changes:
        output.line("no difference: it is so already")
