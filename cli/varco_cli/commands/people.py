"""`varco people`: who may sign in to the console."""

from typing import Annotated, Literal
from urllib.parse import quote

import typer

from varco_cli import api_client, output
from varco_cli.catalogue import group
from varco_cli.commands.shared import Reason, Yes, accounts_like, confirm
from varco_cli.output import Json

app = group("people")

Name = Annotated[str, typer.Argument(help="The person's name: letters, digits and . _ @ - in lower case.")]
Role = Literal["operator", "auditor", "owner", "reader"]


@app.command("add")
def add(
    name: Name,
    role: Annotated[
        Role,
        typer.Option(
            help="operator: everything. auditor: reads everything. owner: changes an account. reader: reads it."
        ),
    ],
    account: Annotated[
        str, typer.Option("--account", help="The account of an owner or a reader.", autocompletion=accounts_like)
    ] = "",
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Adds a person, and prints a link with which they set a password. It works once, for a week.

    Example: `varco people add anna --role owner --account acme`
    """
    form = {"name": name, "role": role, "account": account}
    _show_link(api_client.call("console", "POST", "/people", params={"reason": reason}, json=form), as_json)


@app.command("list")
def list_people(as_json: Json = False) -> None:
    """Lists who may sign in, and in how many browsers each is signed in.

    Example: `varco people list`
    """
    answer = api_client.call("console", "GET", "/people")
    columns = ("name", "role", "account", "added_at", "has_password", "has_second_factor", "sessions")
    output.listing(columns, answer, as_json)


@app.command("link")
def link(
    name: Name,
    without_code: Annotated[
        bool, typer.Option("--without-code", help="Remove the second factor, whose device is lost.")
    ] = False,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Prints a new link for somebody who has no password, or has lost it.

    The old password is valid until the link is used. An earlier link ends.

    Example: `varco people link anna --reason "lost the password"`
    """
    if without_code:
        api_client.call("console", "DELETE", f"{_path(name)}/second-factor", params={"reason": reason})
    _show_link(api_client.call("console", "POST", f"{_path(name)}/link", params={"reason": reason}), as_json)


@app.command("remove")
def remove(name: Name, reason: Reason = "", yes: Yes = False, as_json: Json = False) -> None:
    """Removes a person, and ends all sessions that they have.

    Example: `varco people remove anna --reason "has left"`
    """
    confirm(f"Remove {name}, who then can't sign in any more?", yes)
    api_client.call("console", "DELETE", _path(name), params={"reason": reason})
    output.show({"removed": name}, as_json, lambda: output.line(f"{name} is removed"))


def _path(name: str) -> str:
    return f"/people/{quote(name, safe='')}"


def _show_link(answer: dict[str, str], as_json: bool) -> None:
    output.show(answer, as_json, lambda: output.line(answer["url"]))
