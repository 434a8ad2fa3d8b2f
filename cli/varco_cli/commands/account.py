"""`varco account`: the file that describes an account."""

import typer

from varco_cli.catalogue import group
from varco_common.account_file.printing import NAME
from varco_common.account_file.schema import schema_text

app = group("account")


@app.callback()
def account() -> None:
    """A callback makes a group of its only command."""


@app.command("schema")
def schema() -> None:
    """Prints the JSON Schema of account files, for completion and checks in an editor."""
    typer.echo(schema_text(), nl=False)


schema.__doc__ = f"{schema.__doc__}\n\n    Example: `varco account schema > {NAME}`\n    "
