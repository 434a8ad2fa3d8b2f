"""`varco notices`: the texts that an account's users read."""

import sys
from typing import Annotated

import typer

from varco_cli import api_client, output
from varco_cli.catalogue import group
from varco_cli.commands.shared import Account, Reason, change
from varco_cli.output import Json

app = group("notices")


Notice = Annotated[
    str, typer.Argument(help="Its name, such as attachment, quota, link or bounce (docs/texts.md).", metavar="NOTICE")
]
Language = Annotated[str, typer.Argument(help="it or en.", metavar="LANGUAGE")]


@app.command("list")
def list_notices(account: Account, as_json: Json = False) -> None:
    """Lists every text in every language, with the names that it may contain.

    Example: `varco notices list acme`
    """
    notices = api_client.call("policy", "GET", f"/accounts/{account}/notices")
    columns = ("notice", "language", "own", "text", "facts")
    output.listing(columns, notices, as_json)


@app.command("set")
def set_notice(
    account: Account,
    notice: Notice,
    language: Language,
    text: Annotated[
        str, typer.Argument(help="The text, or `-` for standard input. Values are inserted for `{name}`.")
    ] = "-",
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Sets the account's own text of a refusal, a link notice or a bounce.

    Example: `varco notices set acme attachment en 'We do not send {name}. Ask Bob.'`
    """
    words = sys.stdin.read().rstrip("\n") if text == "-" else text
    path = f"/accounts/{account}/notices/{notice}/{language}"
    change("policy", "PUT", path, reason, as_json, json={"text": words})


@app.command("reset")
def reset_notice(
    account: Account, notice: Notice, language: Language, reason: Reason = "", as_json: Json = False
) -> None:
    """Resets a text to Varco's own.

    Example: `varco notices reset acme attachment en`
    """
    path = f"/accounts/{account}/notices/{notice}/{language}"
    change("policy", "DELETE", path, reason, as_json)
