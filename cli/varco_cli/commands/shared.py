"""Options that several commands have, and how a change is told."""

from typing import Annotated, Any

import typer

from varco_cli import output

Account = Annotated[str, typer.Argument(help="The account's name.", metavar="ACCOUNT")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it goes into the event.")]
NeededReason = Annotated[str, typer.Option("--reason", help="Why; it goes into the event. Must be given.")]

_STYLES = {"add": "green", "remove": "red", "change": "yellow"}


def noun(app: typer.Typer, name: str, about: str) -> typer.Typer:
    """A group of commands: `varco <name> ...`; files that share a noun share it."""
    for known in app.registered_groups:
        if known.name == name and known.typer_instance:
            return known.typer_instance
    group = typer.Typer(help=about, no_args_is_help=True, rich_markup_mode="markdown")
    app.add_typer(group, name=name)
    return group


def changed(answer: dict[str, Any], as_json: bool) -> None:
    """What a command changed."""
    output.show(answer, as_json, lambda: differences(answer["changes"]))


def differences(changes: list[dict[str, Any]]) -> None:
    """A line for each difference."""
    for change in changes:
        output.console.print(change["line"], style=_STYLES[change["op"]], markup=False)
    if not changes:
        output.line("no difference: it is so already")
