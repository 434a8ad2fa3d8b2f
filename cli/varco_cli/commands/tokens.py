"""`varco tokens`: bearer tokens of the HTTP APIs."""

from typing import Annotated
from urllib.parse import quote

import typer

from varco_cli import api_client, output
from varco_cli.catalogue import group
from varco_cli.commands.shared import Reason
from varco_cli.failures import Misused
from varco_cli.output import Json

app = group("tokens")


OfAccount = Annotated[
    str, typer.Option("--account", help="Tokens that cover only this account. Default: admin tokens.")
]


@app.command("list")
def list_tokens(account: OfAccount = "", as_json: Json = False) -> None:
    """Lists the tokens that were issued and not revoked.

    Example: `varco tokens list --account acme`
    """
    answer = api_client.call("policy", "GET", _path(account))
    columns = ("id", "name", "issued_at")
    output.show(answer, as_json, lambda: output.rows(columns, answer))


@app.command("issue")
def issue(
    name: Annotated[str, typer.Argument(help="The owner or the purpose of the token.")],
    account: OfAccount = "",
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Issues a token and prints it. It can't be shown again.

    Example: `varco tokens issue "the partner's script" --account acme`
    """
    answer = api_client.call("policy", "POST", _path(account), params={"reason": reason}, json={"name": name})
    output.show(answer, as_json, lambda: output.line(answer["token"]))


@app.command("revoke")
def revoke(
    token: Annotated[str, typer.Argument(help="The token's id.")],
    account: Annotated[str, typer.Option("--account", help="Only a token of this account. Default: any token.")] = "",
    unlisted: Annotated[
        bool,
        typer.Option("--unlisted", help="Revoke a token that no list has: the first one, or that of a lost file."),
    ] = False,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Revokes a token, of an admin or of an account.

    Events name the token that changed something by its id, also one that no list has.

    Example: `varco tokens revoke 06d2k3m8s1x7v0c2b9qa --reason "found in a log"`
    """
    if account and unlisted:
        raise Misused("--unlisted is for admin tokens: every token of an account is listed")
    params = {"reason": reason} | ({"unlisted": True} if unlisted else {})
    api_client.call("policy", "DELETE", f"{_path(account)}/{quote(token, safe='')}", params=params)
    output.show({"revoked": token}, as_json, lambda: output.line(f"{token} is revoked"))


def _path(account: str) -> str:
    return f"/accounts/{account}/tokens" if account else "/tokens"
